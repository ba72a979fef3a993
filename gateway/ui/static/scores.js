// Score columns and their 90 % intervals. Every numeric score in a row is shown; FORMULA lists those computed here.

const Z = 1.645; // 90 % of a normal distribution lies within this many standard deviations of its mean
const FORMULA = { s1: true, s2: true, s3: true };
const NOT_SCORES = new Set(["p", "n"]);

/** The names of the scores in rows: s1, s2, s3 and any other number that is not the end of an interval. */
export function scoreNames(rows) {
  const first = rows?.[0] ?? {};
  return Object.keys(first).filter((name) => !NOT_SCORES.has(name) && !/_(low|high|interval|sd|n)$/.test(name)
    && rows.some((row) => typeof row[name] === "number") && rows.every((row) => row[name] === null || typeof row[name] === "number"));
}

/**
 * The 90 % interval of a score as [low, high]; null if unknown.
 *
 * The API's own interval if the row has one (name_interval, or name_low and name_high). S3: each input is correct with
 * probability p if predicted correct, 1 - p if not, so its variance is p (1 - p) / n (as in eq. 6). S2: Wilson's score
 * interval of a proportion. S1: variance at most s (1 - s) / n, which holds for any outcomes in [0, 1]. Other scores
 * have none of their own.
 */
export function scoreInterval(row, name) {
  const value = row[name];
  if (typeof value !== "number" || !row.n) return null;
  const reported = row[`${name}_interval`] ?? (typeof row[`${name}_low`] === "number" ? [row[`${name}_low`], row[`${name}_high`]] : null);
  if (reported) return reported;
  if (!(name in FORMULA)) return null;
  if (name === "s2") {
    const z = Z * Z;
    const centre = (value + z / (2 * row.n)) / (1 + z / row.n);
    const half = (Z / (1 + z / row.n)) * Math.sqrt((value * (1 - value)) / row.n + z / (4 * row.n * row.n));
    return clamp(centre - half, centre + half);
  }
  const variance = name === "s3" && typeof row.p === "number" ? row.p * (1 - row.p) : value * (1 - value);
  const half = Z * Math.sqrt(variance / row.n);
  return clamp(value - half, value + half);
}

const clamp = (low, high) => [Math.max(0, low), Math.min(1, high)];

// Scores and how sure they are. Whatever scores an account has are shown; these are only those that have a formula here.

const Z = 1.645; // a normal distribution lies within this many deviations of its mean with 90 %
const FORMULA = { s1: true, s2: true, s3: true };
const NO_SCORES = new Set(["p", "n"]);

/** The scores that rows have: s1, s2, s3 and whatever else is a number, and no interval's end. */
export function namesOfScores(rows) {
  const first = rows?.[0] ?? {};
  return Object.keys(first).filter((name) => !NO_SCORES.has(name) && !/_(low|high|interval|sd|n)$/.test(name)
    && rows.some((row) => typeof row[name] === "number") && rows.every((row) => row[name] === null || typeof row[name] === "number"));
}

/**
 * Where the true share lies with 90 %, as [low, high]; null where nothing is known.
 *
 * The account's own interval where it has one (name_interval, or name_low and name_high). S3: each input is right with
 * probability p where it is predicted so, and with 1 - p where not, so its variance is p (1 - p) / n (what eq. 6
 * compares). S2: Wilson's interval of a share. S1: at most s (1 - s) / n, which holds for any outcomes in [0, 1].
 * Others: none, unless the account has one.
 */
export function intervalOf(row, name) {
  const value = row[name];
  if (typeof value !== "number" || !row.n) return null;
  const own = row[`${name}_interval`] ?? (typeof row[`${name}_low`] === "number" ? [row[`${name}_low`], row[`${name}_high`]] : null);
  if (own) return own;
  if (!(name in FORMULA)) return null;
  if (name === "s2") {
    const z = Z * Z;
    const centre = (value + z / (2 * row.n)) / (1 + z / row.n);
    const half = (Z / (1 + z / row.n)) * Math.sqrt((value * (1 - value)) / row.n + z / (4 * row.n * row.n));
    return inside(centre - half, centre + half);
  }
  const spread = name === "s3" && typeof row.p === "number" ? row.p * (1 - row.p) : value * (1 - value);
  const half = Z * Math.sqrt(spread / row.n);
  return inside(value - half, value + half);
}

const inside = (low, high) => [Math.max(0, low), Math.min(1, high)];

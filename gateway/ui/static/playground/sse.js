// Server-sent events of a response body (WHATWG HTML, 9.2.6), as they arrive.

/**
 * Yield the data of each event in a stream of bytes. Comments and other fields are skipped. An event that the stream ends
 * in the middle of is yielded too: some servers leave out the last empty line.
 */
export async function* readEvents(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  const lines = lineSplitter();
  let data = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      for (const line of done ? lines.rest() : lines.feed(value)) {
        if (line === "" && data.length) {
          yield data.join("\n");
          data = [];
        } else if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
      }
      if (done) break;
    }
    if (data.length) yield data.join("\n");
  } finally {
    reader.cancel().catch(() => null);
  }
}

/** Lines end with CR LF, LF or CR, and arrive in pieces: a CR at a piece's end may be the first half of CR LF. */
function lineSplitter() {
  let rest = "";
  const split = (text, isEnd) => {
    const held = !isEnd && text.endsWith("\r") ? "\r" : "";
    const lines = (held ? text.slice(0, -1) : text).split(/\r\n|\n|\r/);
    rest = lines.pop() + held;
    return lines;
  };
  return { feed: (piece) => split(rest + piece, false), rest: () => [...split(rest, true), rest] };
}

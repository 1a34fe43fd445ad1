// Loaded before Azurite: says where it listens as one line of JSON, and ends it with the
// process that started it, whose end closes our standard input.
const write = console.log;
console.log = (text) => {
  const found = /listens on (http:\S+)/.exec(text);
  if (found) write(JSON.stringify({ url: found[1] }));
};
process.stdin.resume().on("end", () => process.exit());

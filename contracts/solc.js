#!/usr/bin/env node
// Lets forge drive the pinned npm compiler, so that no binary is downloaded.
// forge asks two things of a compiler: `--version`, and standard JSON on stdin.
const solc = require("solc");

if (process.argv.includes("--version")) {
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}`);
} else {
  const input = require("node:fs").readFileSync(0, "utf8");
  process.stdout.write(solc.compile(input));
}

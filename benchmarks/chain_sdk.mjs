// What Akash's own TypeScript compiler takes: node chain_sdk.mjs ROUNDS FILE… prints {file: milliseconds}, the least of the rounds.
// From text to manifest, groups and hash, in one warm process; files that it refuses are left out.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(pathToFileURL(`${process.cwd()}/`));
const { generateManifest, generateManifestVersion } = require("@akashnetwork/chain-sdk");
const yaml = require("js-yaml");
const [rounds, ...files] = process.argv.slice(2);

async function compiled(text) {
  const made = generateManifest(yaml.load(text));
  if (!made.ok) throw new Error("refused");
  await generateManifestVersion(made.value.groups);
}

async function milliseconds(text) {
  const began = performance.now();
  await compiled(text);
  return performance.now() - began;
}

const found = {};
for (const file of files) {
  const text = readFileSync(file, "utf8");
  try {
    for (let round = 0; round < rounds; round += 1) await milliseconds(text);
    const taken = [];
    for (let round = 0; round < rounds; round += 1) taken.push(await milliseconds(text));
    found[file] = Math.min(...taken);
  } catch {
    continue;
  }
}
console.log(JSON.stringify(found));

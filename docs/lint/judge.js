// What Spectral and the AsyncAPI parser say of the committed documents; 1 when they find an error.
import { readFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { Parser } from "@asyncapi/parser";

const ERROR = 0;
const [events, ...apis] = process.argv.slice(2);

// In an example `$ref` is a word of ours (a value of another step), and Spectral has no way to be told so.
const isOurWord = (one) => one.code === "invalid-ref" && one.path.includes("examples");

const spectral = ["spectral", "lint", "--ruleset", "spectral.yaml", "--format", "json", "--quiet", ...apis];
const told = spawnSync("npx", ["--no-install", ...spectral], { encoding: "utf8", maxBuffer: 1 << 28 });
if (told.error || ![0, 1].includes(told.status)) throw new Error(`Spectral did not run: ${told.error ?? told.stderr}`);
const found = [
  ...JSON.parse(told.stdout).filter((one) => !isOurWord(one)),
  ...(await new Parser().validate(readFileSync(events, "utf8"))),
].filter((one) => one.severity === ERROR);

for (const one of found) console.log(one.source ?? events, one.path.join("/"), one.code, one.message);
console.log(`${apis.length + 1} documents, ${found.length} errors`);
process.exit(found.length ? 1 : 0);

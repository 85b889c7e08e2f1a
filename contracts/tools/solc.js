#!/usr/bin/env node
// The npm build of solc behind the two calls that forge and py-solc-x make of a native compiler:
// `--version` and `--standard-json`. The bundled `solcjs` prints a line before the JSON and refuses
// `--allow-paths`, so neither tool can drive it. Every source arrives inside the standard JSON, so no
// import is ever read from disk and the path options are accepted and ignored.
"use strict";

const fs = require("fs");
const solc = require("solc");

const args = process.argv.slice(2);

if (args.includes("--version")) {
  process.stdout.write(
    "solc, the solidity compiler commandline interface\n" + `Version: ${solc.version()}\n`,
  );
} else if (args.includes("--standard-json")) {
  // py-solc-x passes the input on stdin, as forge does; a trailing file name is also accepted.
  const last = args[args.length - 1];
  const input = fs.readFileSync(last.endsWith(".json") ? last : 0, "utf8");
  process.stdout.write(solc.compile(input));
} else {
  process.stderr.write("solc.js answers --version and --standard-json only\n");
  process.exitCode = 2;
}

// Plain JavaScript without new syntax: an old Node must be able to read this file, and then prints
// one line instead of a stack trace.

const [major, minor] = process.versions.node.split('.').map(Number);

// The same versions as "engines" in package.json; test/house/node-version.test.ts compares them.
if (!((major === 24 && minor >= 15) || major >= 26)) {
  process.stderr.write(
    `slipway needs Node 24.15 or later 24, or 26 and later; this is ${process.versions.node}\n`,
  );
  process.exit(1);
}

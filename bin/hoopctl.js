#!/usr/bin/env node
// Starts the built program, where this Node can run it; no other logic here. Loaded by any Node: no static import.
const needed = 24;
if (Number.parseInt(process.versions.node, 10) < needed) {
  process.stderr.write(
    `hoopctl: this is Node ${process.versions.node} (${process.execPath}), hoopctl needs ${needed}\n` +
      "  next: put a newer one in front of PATH; a clone's own is in its node_modules/.bin\n",
  );
  process.exit(1);
}
await import('../dist/cli/main.js');

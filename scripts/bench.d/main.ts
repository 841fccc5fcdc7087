// scripts/bench: medians of paired, interleaved runs, as a table for people and with --json FILE under stable names.
// Ratios are taken within one run only; absolute figures are printed for orientation.

import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { median } from './numbers.ts';
import { type Effort, SECTIONS, type Section, type Table } from './sections.ts';
import { buildStage, type Stage } from './stage.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'string' },
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' },
  },
});

const EFFORT: Effort = values.quick
  ? {
      ...{ rounds: 3, seconds: 1, rowRounds: 3, connections: 20, connectionRounds: 3, idle: 300, starts: 7 },
      ...{
        ruleRounds: 5,
        ruleStatements: 300,
        policyRounds: 7,
        policyStatements: 2000,
        maskRounds: 3,
        maskSeconds: 0.3,
        sshMib: 64,
        sshKeys: 100,
        sshIdle: 40,
      },
    }
  : {
      ...{ rounds: 5, seconds: 4, rowRounds: 5, connections: 30, connectionRounds: 5, idle: 1000, starts: 15 },
      ...{
        ruleRounds: 15,
        ruleStatements: 1000,
        policyRounds: 25,
        policyStatements: 5000,
        maskRounds: 7,
        maskSeconds: 1,
        sshMib: 1024,
        sshKeys: 1000,
        sshIdle: 500,
      },
    };

function say(text: string): void {
  process.stderr.write(`· ${text}\n`);
}

function show({ title, unit, columns, digits }: Table): void {
  const heads = Object.keys(columns);
  const names = Object.keys(Object.values(columns)[0] ?? {});
  console.log(`\n${title} (${unit}, median)`);
  console.log(`  ${''.padEnd(24)}${heads.map((head) => head.padStart(12)).join('')}`);
  for (const name of names) {
    const cells = heads.map((head) =>
      median(columns[head]?.[name] ?? [])
        .toFixed(digits)
        .padStart(12),
    );
    console.log(`  ${name.padEnd(24)}${cells.join('')}`);
  }
}

async function main(): Promise<void> {
  const names = Object.keys(SECTIONS);
  if (values.help) {
    console.log(`usage: scripts/bench [--quick] [--only NAME,…] [--json FILE]\nnames: ${names.join(', ')}`);
    return;
  }
  const wanted = values.only?.split(',') ?? names;
  const unknown = wanted.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Error(`--only: "${unknown}" is none of ${names.join(', ')}`);

  let stage: Promise<Stage> | undefined;
  const start = () => {
    if (stage === undefined) say('starting PostgreSQL, pgbouncer, the bare pipe, the gateway and connect');
    stage ??= buildStage();
    return stage;
  };
  const found: Record<string, Section> = {};
  for (const name of names) {
    // What needs the stage comes first; idle sessions and starts are measured with nothing else running.
    if (name === 'idle') await (await stage)?.stop();
    if (wanted.includes(name)) found[name] = await SECTIONS[name]!({ effort: EFFORT, stage: start, say });
  }

  for (const { table } of Object.values(found)) show(table);
  console.log('\ngoals');
  for (const { goals } of Object.values(found)) {
    for (const [name, { value, goal, reached }] of Object.entries(goals)) {
      console.log(
        `  ${name.padEnd(34)}${String(value).padStart(8)}   ${goal.padEnd(8)}${reached ? 'reached' : 'NOT REACHED'}`,
      );
    }
  }
  if (values.json !== undefined) {
    const about = { node: process.version, cpus: cpus().length, quick: values.quick, effort: EFFORT };
    const figures = Object.assign({}, ...Object.values(found).map((section) => section.figures)) as object;
    const raw = Object.fromEntries(Object.entries(found).map(([name, { table }]) => [name, table.columns]));
    writeFileSync(values.json, `${JSON.stringify({ ...figures, about, raw }, null, 2)}\n`);
  }
}

// What was started is ended and removed on the way out (test/support/process.ts); a signal has to take that way.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));

await main();

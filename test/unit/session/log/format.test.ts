import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { repository } from '../../../support/process.ts';

it('FORMAT.md explains every code that a check can give, and no other', () => {
  const source = readFileSync(join(repository, 'src/session/log/check/findings.ts'), 'utf8');
  const codes = [...source.matchAll(/^ {2}\| '([a-z_]+)'/gm)].map((match) => match[1]);
  const format = readFileSync(join(repository, 'src/session/recorder/FORMAT.md'), 'utf8');
  const section = /## What `audit verify` finds\n(.*?)\n## /s.exec(format)![1]!;
  const told = [...section.matchAll(/^\| (`.*?) \|/gm)].flatMap((row) =>
    [...row[1]!.matchAll(/`(\w+)`/g)].map((one) => one[1]),
  );
  expect(told.sort()).toEqual(codes.sort());
});

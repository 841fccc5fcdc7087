// Rules about a command's programs, arguments and places: what is not told speaks for a deny, and against an allow.

import { describe, expect, it } from 'vitest';
import { commandFacts } from '../../../../src/protocol/ssh/exec/facts.ts';
import { whenSchema } from '../../../../src/session/policy/schema.ts';
import { whenConditions } from '../../../../src/session/policy/when.ts';

function holds(when: object, text: string, strict = false): boolean {
  const { facts } = whenConditions(whenSchema.parse(when), strict);
  const part = commandFacts(text);
  return facts.every((condition) => condition.holds(part));
}

describe('arguments', () => {
  const rule = { programs: ['rm'], arguments: ['-*r*', '--recursive'] };

  it.each([
    ['rm -rf x', true],
    ['/bin/rm -r x', true],
    ['sudo rm --recursive x', true],
    ['rm x', false],
    ['ls -r; rm x', false],
    ['rm "$x"', true],
    ['rm *', true],
    ['xargs rm', true],
  ])('%j: %s', (text, expected) => {
    expect(holds(rule, text)).toBe(expected);
  });

  it.each([
    ['uptime -p', true],
    ['uptime', true],
    ['uptime -p; uptime x', false],
    ['uptime "$x"', false],
    ['uptime -p; $y', false],
  ])('a rule that allows, %j: %s', (text, expected) => {
    expect(holds({ programs: ['uptime'], arguments: ['-p'] }, text, true)).toBe(expected);
  });
});

describe('other arguments', () => {
  it.each([
    ['systemctl status nginx', false],
    ['systemctl status', false],
    ['systemctl stop nginx', true],
    ['systemctl "$x"', true],
    ['systemctl status nginx; sudo systemctl stop nginx', true],
    ['rm x', false],
  ])('%j: %s', (text, expected) => {
    expect(holds({ programs: ['systemctl'], otherArguments: ['status', 'nginx'] }, text)).toBe(expected);
  });
});

describe('other places', () => {
  it.each([
    ['a > /tmp/x 2> /dev/null', false],
    ['a > /etc/x', true],
    ['a > /tmp/../etc/x', true],
    ['a > x', true],
    ['a > $x', true],
    ['a; eval b', true],
    ['a', false],
  ])('%j: %s', (text, expected) => {
    expect(holds({ otherPlaces: ['/tmp/*', '/dev/null'] }, text)).toBe(expected);
  });
});

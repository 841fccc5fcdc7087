// The same conversation however its bytes are cut: whole, at every byte, byte by byte, and at random.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  back,
  clientBound,
  front,
  MASKED,
  Talk,
  type TalkOptions,
  targetBound,
} from '../../../../conformance/postgres/kit.ts';
import { effort } from '../../../../support/property.ts';

interface Step {
  readonly from: 'client' | 'target';
  readonly bytes: Buffer;
}

const from = (side: Step['from'], ...parts: Buffer[]): Step => ({ from: side, bytes: Buffer.concat(parts) });

const deny = ({ text }: { text: string }) => (text.includes('drop') ? 'no-drop' : undefined);

const conversation: Step[] = [
  from('client', front.query('select 1; select 2')),
  from('target', back.rows('id', 'ssn'), back.row('1', '123-45-6789'), back.complete('SELECT 1')),
  from('target', back.rows('id'), back.row('1'), back.complete('SELECT 1'), back.notice('psst'), back.ready()),
  from('client', front.extended('select $1', ['x']), front.extended('drop table t'), front.extended('select 3')),
  from(
    'target',
    back.parsed(),
    back.bound(),
    back.rows('ssn'),
    back.row('123-45-6789'),
    back.row(null),
    back.complete('SELECT 2'),
    back.ready(),
  ),
  from('target', back.error('42601', 'syntax error'), back.ready()),
  from(
    'target',
    back.parsed(),
    back.error('42P01', 'relation does not exist', { F: 'parse_relation.c' }),
    back.ready(),
  ),
  from('client', front.query('copy t from stdin')),
  from('target', back.copyIn()),
  from('client', front.copyData('1\t2\n'), front.copyData('x'.repeat(500)), front.copyDone()),
  from('target', back.complete('COPY 1'), back.ready()),
  from('client', front.query('copy t to stdout')),
  from(
    'target',
    back.copyOut(2),
    back.copyData('1\t123-45-6789\n'),
    back.copyData('2\t\\N\n'),
    back.copyDone(),
    back.complete('COPY 2'),
    back.ready(),
  ),
  from(
    'client',
    front.parse('s', 'select'),
    front.bind('', 's'),
    front.describe('P', ''),
    front.execute(''),
    front.sync(),
    front.terminate(),
  ),
  from(
    'target',
    back.parsed(),
    back.bound(),
    back.rows('ssn'),
    back.row('123-45-6789'),
    back.complete('SELECT 1'),
    back.ready(),
  ),
];

const sessions: [string, TalkOptions][] = [
  ['a plain session', { session: { rows: 100 } }],
  ['a ruled session', { session: { ruled: true, deny, rows: 2 } }],
  ['a masked session', { session: { ...MASKED, deny, rows: 100 } }],
];

/** The whole conversation with each step cut by `cut`. */
function play(options: TalkOptions, cut: (bytes: Buffer, step: number) => Buffer[]) {
  const talk = new Talk(options);
  const toClient: Buffer[] = [];
  const toTarget: Buffer[] = [];
  for (const [at, step] of conversation.entries()) {
    for (const chunk of cut(step.bytes, at)) {
      if (step.from === 'client') talk.machine.fromClient(chunk);
      else talk.machine.fromTarget(chunk);
      toClient.push(talk.machine.toClient.take() ?? Buffer.alloc(0));
      toTarget.push(talk.machine.toTarget.take() ?? Buffer.alloc(0));
    }
  }
  const { operations, outcomes, rows, notes } = talk.session;
  return {
    client: clientBound(Buffer.concat(toClient)),
    target: targetBound(Buffer.concat(toTarget)),
    operations,
    outcomes,
    rows,
    notes,
    ended: talk.machine.ended,
  };
}

describe.each(sessions)('%s', (_name, options) => {
  const whole = play(options, (bytes) => [bytes]);

  it('has the conversation that is meant', () => {
    expect(whole.ended).toBeUndefined();
    expect(whole.client.filter((line) => line === 'ReadyForQuery I')).toHaveLength(7);
    const leaks = whole.client.filter((line) => line.includes('123-45-6789'));
    expect(leaks).toHaveLength(options.session?.masking === undefined ? 4 : 0);
    expect(whole.target.filter((line) => line.includes('REFUSED'))).toHaveLength(
      options.session?.deny === undefined ? 0 : 1,
    );
  });

  it('has the same one when each step is cut at any byte', () => {
    for (const [cutStep, { bytes }] of conversation.entries()) {
      for (let at = 1; at < bytes.length; at++) {
        const cut = play(options, (whole, step) =>
          step === cutStep ? [whole.subarray(0, at), whole.subarray(at)] : [whole],
        );
        expect(cut).toEqual(whole);
      }
    }
  });

  it('has the same one byte by byte', () => {
    expect(play(options, (bytes) => [...bytes].map((byte) => Buffer.from([byte])))).toEqual(whole);
  });

  it('has the same one when every step is cut at random', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1000), { maxLength: 40 }), (cuts) => {
        const cut = play(options, (bytes, step) => {
          const points = cuts
            .filter((_, i) => i % conversation.length === step)
            .map((point) => point % (bytes.length + 1));
          const at = [0, ...points.sort((a, b) => a - b), bytes.length];
          return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
        });
        expect(cut).toEqual(whole);
      }),
      effort({ seed: 11, numRuns: 100 }),
    );
  });
});

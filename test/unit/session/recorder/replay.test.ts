import { expect, it } from 'vitest';
import { readLines, sourceOf } from '../../../../src/session/recorder/reader.ts';
import { replay } from '../../../../src/session/recorder/replay.ts';
import { header, makeRecording, statement } from './fixtures.ts';

it('gives back what was recorded, operation by operation', async () => {
  const { recording, target } = makeRecording();
  recording.begin(header);
  recording.intent(1, statement('select a from t'), { verdict: 'review', rule: 'r', review: 'r-1' });
  recording.review(1, { review: 'r-1', state: 'used', by: ['bob'] });
  const columns = [{ name: 'a', origins: undefined, textual: true }];
  recording.masks(1, 0, columns, [{ name: 'pii', by: 'column', text: () => null }]);
  recording.columns(1, 0, ['a']);
  const rows = Array.from({ length: 500 }, (_, i) => [i % 2 === 0 ? `value ${i} ${'x'.repeat(50)}` : null]);
  for (const row of rows) recording.row(1, 0, row);
  recording.result(1, { part: 0, status: 'ok', tag: 'SELECT 500', rows: 500, bytes: 999 });
  recording.intent(2, statement('drop table t'), { verdict: 'deny', rule: 'd', code: 'denied', message: 'no' });
  recording.intent(3, statement('x'), { verdict: 'review', rule: 'r', review: 'r-2' });
  recording.review(3, { review: 'r-2', state: 'expired', message: 'too late' });
  recording.intent(4, statement('y', ['1', null]), { verdict: 'allow' });
  recording.result(4, { part: 0, status: 'error', error: { code: '42P01', message: 'no table' } });
  recording.note('cancel', { by: 'client' });
  await recording.end({ code: 'client_closed', message: 'bye' });

  const found = await replay(readLines(sourceOf(target.bytes)));
  expect(found.opening?.session).toBe(header.session);
  expect(found.operations).toMatchObject([
    { op: 1, text: 'select a from t', verdict: 'allow', rule: 'r', review: 'r-1' },
    { op: 2, verdict: 'deny', message: 'no', parts: [] },
    { op: 3, verdict: 'deny', message: 'too late' },
    { op: 4, params: ['1', null], parts: [{ status: 'error', error: { code: '42P01' } }] },
  ]);
  expect(found.operations[0]?.parts).toMatchObject([
    { columns: ['a'], values: rows, masked: [{ column: 'a', mask: 'pii' }], tag: 'SELECT 500', rows: 500, bytes: 999 },
  ]);
  expect(found.notes).toMatchObject([{ note: 'cancel' }]);
  expect(found.end).toMatchObject({ code: 'client_closed' });
  expect(found.seal).toBeDefined();
});

// What a receiver will never take, between failures of the network: told once, and no sign that the receiver is wrong.

import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../../../src/core/clock.ts';
import { DeliveryError, type Destination } from '../../../../src/gateway/exports/destination.ts';
import { Exporter, type Kept } from '../../../../src/gateway/exports/exporter.ts';
import type { ExportEvent } from '../../../../src/session/export/event.ts';
import { until } from '../../../support/gateway-house.ts';
import { type Written, writeRecord } from '../../../support/record.ts';

const LIMITS: Record<string, number> = { export_poll_ms: 20, export_retry_ms: 1, export_refusals: 3 };

let record: Written;
beforeEach(async () => {
  record = await writeRecord();
});
afterEach(() => record.close());

it('an event that a receiver will not take is left out once, however often what follows it fails', async () => {
  let kept: Kept = { cursor: { index: 0, open: {} }, sequence: 0 };
  const refused: string[] = [];
  const got = new Set<string>();
  let failures = 0;
  const receiver: Destination = {
    async send(events: readonly ExportEvent[]) {
      if (events.some(({ fields }) => fields.poison === true)) throw new DeliveryError('no', { refused: true });
      if (events.some(({ fields }) => fields.last === true) && failures++ < 6) throw new DeliveryError('away');
      for (const { id } of events) got.add(id);
    },
    close: async () => {},
  };
  record.log.append('login', { first: true });
  const exporter = new Exporter({
    ...{ name: 'x', selection: { kinds: ['*'], labels: {} }, rows: false, source: record.source(), clock: systemClock },
    open: () => receiver,
    load: async () => kept,
    keep: async (now) => {
      kept = now;
    },
    limit: (bound) => ({ ...bound, value: LIMITS[bound.name] ?? bound.value }),
    refused: ({ id }) => void refused.push(id),
    failing: () => {},
    recovered: () => {},
  });
  exporter.start();
  await until(() => exporter.state.sequence === 2);
  record.log.append('login', { poison: true });
  record.log.append('login', { last: true });
  await until(() => exporter.state.sequence === 4);
  await exporter.stop();
  expect([refused, exporter.state.refused, failures]).toEqual([['log:2'], 1, 7]);
  expect([...got]).toEqual(['log:0', 'log:1', 'log:3']);
});

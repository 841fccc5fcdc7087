// Which gateway an event is from: the ids of entries count from 0 in the log of each.

import { expect, it } from 'vitest';
import { systemClock } from '../../../../src/core/clock.ts';
import { silentLog } from '../../../../src/core/log.ts';
import { Exports, type ExportsOptions } from '../../../../src/gateway/exports/exports.ts';
import { cef } from '../../../../src/session/export/cef.ts';
import type { ExportEvent } from '../../../../src/session/export/event.ts';

const event: ExportEvent = {
  ...{ id: 'log:5', from: 'log', at: new Date(systemClock.now()).toISOString(), kind: 'login', session: undefined },
  ...{ number: 5, fields: {}, sequence: 1, name: 'log.login', opening: undefined },
};

it('two gateways on one store that have one address are told apart, whatever the format', () => {
  const of = (shared: boolean, gateway: string) => {
    const options = { shared, gateway, configured: () => [], log: silentLog, limit: (one: unknown) => one };
    const exports = new Exports({ ...options, worker: { version: '0', datastores: [] } } as unknown as ExportsOptions);
    exports.start('https://hoopctl.example.com:7443');
    return exports.record.product;
  };
  expect(of(true, 'gw-a').gateway).not.toBe(of(true, 'gw-b').gateway);
  expect(of(true, 'gw-a').gateway).toBe('https://hoopctl.example.com:7443#gw-a');
  expect(of(false, 'gw-a').gateway).toBe('https://hoopctl.example.com:7443');
  expect(cef(event, of(true, 'gw-b'))).toContain(' dvchost=hoopctl.example.com deviceExternalId=gw-b');
  expect(cef(event, of(false, 'gw-b'))).not.toContain('deviceExternalId');
});

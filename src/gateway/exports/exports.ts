// All destinations of the configuration: started, stopped and changed with it, their cursors kept in the store, their
// trouble told. Refuses to know: one destination's work (exporter.ts), how a receiver is spoken to (open.ts).

import { asHoopctlError } from '../../core/errors.ts';
import type { Limit } from '../../core/limits.ts';
import type { Log } from '../../core/log.ts';
import type { SecretRef } from '../../core/secret.ts';
import type { Alerts } from '../../session/alerts.ts';
import type { Product } from '../../session/export/event.ts';
import type { KeyValue } from '../../session/identity/stores.ts';
import type { AuditLog } from '../../session/log/audit.ts';
import type { LogFollowing } from '../../session/recorder/follow-source.ts';
import { type CursorOptions, Cursors } from './cursors.ts';
import { EXPORT_ALERT_MS, EXPORT_LIMITS, type ExporterState } from './exporter.ts';
import type { ExportServices } from './messages.ts';
import type { ExportConfiguration } from './schema.ts';
import { ExportThread, type ExportThreadOptions } from './thread.ts';

export interface ExportsOptions {
  readonly configured: () => readonly ExportConfiguration[];
  readonly worker: ExportThreadOptions;
  /** For copies: the thread reads the files by itself. */
  readonly source: LogFollowing;
  readonly now: CursorOptions['now'];
  readonly keep: Pick<KeyValue, 'get' | 'set'>;
  readonly read: (reference: SecretRef) => Promise<string>;
  /** The gateway's id: others may use the same store. */
  readonly gateway: string;
  /** Whether others do: they may have the same URL, and each has a log whose entries count from 0. */
  readonly shared: boolean;
  readonly log: Log;
  readonly audit: AuditLog;
  readonly alerts: Alerts;
  readonly limit: (bound: Limit) => Limit;
}

export type ExportStatus = ExporterState & Pick<ExportConfiguration, 'name' | 'to'>;

const NOTHING_YET: ExporterState = {
  ...{
    state: 'sending',
    sequence: 0,
    index: 0,
    sent: 0,
    refused: 0,
    lagMs: 0,
    error: undefined,
    failingSince: undefined,
  },
};

export class Exports {
  readonly #options: ExportsOptions;
  readonly #thread: ExportThread;
  readonly #cursors: Cursors;
  /** As they run, as text. */
  readonly #running = new Map<string, string>();
  /** Dead receivers that were told of. */
  readonly #told = new Set<string>();
  #changing: Promise<void> = Promise.resolve();
  #gateway: string | undefined;
  #stopped = false;

  constructor(options: ExportsOptions) {
    this.#options = options;
    const { keep, gateway, now, configured, log } = options;
    this.#cursors = new Cursors({
      ...{ keep, gateway, now },
      from: (name) => configured().find((one) => one.name === name)?.from ?? 'beginning',
      began: (name, index) => this.#append('export', { what: 'destination begins', export: name, index }),
      again: (name, what, fields) => {
        this.#append('failure', { what, export: name, ...fields });
        log.error({ export: name, ...fields }, `${what}: the log is exported from its beginning`);
      },
    });
    this.#thread = new ExportThread(options.worker, this.#services(), options.log);
  }

  /** Begins with what is configured. `gateway`: its URL. */
  start(gateway: string): void {
    const { shared, gateway: id } = this.#options;
    this.#gateway = shared ? `${gateway}#${id}` : gateway;
    this.apply();
  }

  /** As configured now: call it when the configuration has changed. */
  apply(): void {
    if (this.#gateway === undefined) return;
    this.#changing = this.#changing.then(() => this.#apply());
  }

  /** Never rejects. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#changing;
    await this.#thread.close();
  }

  /** What a copy of the record is made from. */
  get record(): { readonly source: LogFollowing; readonly product: Product } {
    const { source, worker } = this.#options;
    const datastore = (protocol: string) => worker.datastores.includes(protocol);
    return { source, product: { version: worker.version, gateway: this.#gateway, datastore } };
  }

  /** How many entries the log has. */
  get entries(): number {
    return this.#options.now().index;
  }

  status(): readonly ExportStatus[] {
    return this.#options
      .configured()
      .filter(({ name }) => this.#running.has(name))
      .map(({ name, to }) => ({ name, to, ...(this.#thread.state(name) ?? NOTHING_YET) }));
  }

  async #apply(): Promise<void> {
    if (this.#stopped) return;
    const { configured, limit } = this.#options;
    const limits = Object.fromEntries(EXPORT_LIMITS.map((bound) => [bound.name, limit(bound).value]));
    const gateway = this.#gateway!;
    const wanted = new Map(configured().map((one) => [one.name, { one, gateway, limits }]));
    for (const [name, written] of this.#running) {
      if (JSON.stringify(wanted.get(name)) === written) continue;
      await this.#thread.stop(name);
      this.#running.delete(name);
      this.#told.delete(name);
    }
    for (const [name, spec] of wanted) {
      if (this.#running.has(name)) continue;
      this.#running.set(name, JSON.stringify(spec));
      this.#thread.start(spec);
    }
  }

  #services(): ExportServices {
    return {
      load: (name) => this.#cursors.load(name),
      keep: (name, kept) => this.#cursors.keep(name, kept),
      read: (_, reference) => this.#options.read(reference),
      refused: async (name, { id, sequence }, why) => {
        const fields = { export: name, event: id, sequence, error: why };
        this.#options.log.error(fields, 'an export receiver will not take an event');
        this.#options.audit.append('failure', { what: 'export event refused', ...fields });
      },
      rejected: async (name, count, why) => {
        const fields = { export: name, count, error: why };
        this.#options.log.error(fields, 'an export receiver did not take all events of a request');
        this.#append('failure', { what: 'export events rejected', ...fields });
      },
      failing: async (name, why, forMs) => this.#failing(name, why, forMs),
      recovered: async (name, afterMs) => {
        this.#options.log.info({ export: name, afterMs }, 'the export receiver takes events again');
        if (!this.#told.delete(name)) return;
        this.#append('export', { what: 'receiver takes events again', export: name, afterMs });
      },
    };
  }

  /** Told as an alert once for each time that it fails for long. */
  #failing(name: string, error: string, forMs: number): void {
    const { alerts, log, limit } = this.#options;
    log.warn({ export: name, error, forMs }, 'an export receiver takes no events');
    if (this.#told.has(name) || forMs < limit(EXPORT_ALERT_MS).value) return;
    const { sequence, lagMs } = this.#thread.state(name) ?? NOTHING_YET;
    const fields = { export: name, error, forMs, sequence, lagMs };
    log.error(fields, 'an export receiver is dead');
    alerts.raise({ type: 'export.failed', data: fields });
    if (this.#append('failure', { what: 'export receiver takes no events', ...fields })) this.#told.add(name);
  }

  #append(kind: 'export' | 'failure', fields: Readonly<Record<string, unknown>>): boolean {
    try {
      this.#options.audit.append(kind, fields);
      return true;
    } catch (thrown) {
      this.#options.log.error({}, `cannot put an export's state on record: ${asHoopctlError(thrown).message}`);
      return false;
    }
  }
}

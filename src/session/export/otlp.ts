// OpenTelemetry logs as the JSON of ExportLogsServiceRequest (opentelemetry-proto 1.x, the protobuf JSON mapping: names in
// lowerCamelCase, 64-bit integers as decimal strings, enumerations as numbers). Refuses to know: HTTP.

import { type ExportEvent, gistOf, type Product, timeOf } from './event.ts';
import { fitting } from './shorten.ts';

type AnyValue =
  | Record<string, never>
  | { stringValue: string }
  | { boolValue: boolean }
  | { intValue: string }
  | { doubleValue: number }
  | { arrayValue: { values: AnyValue[] } }
  | { kvlistValue: { values: KeyValue[] } };

interface KeyValue {
  readonly key: string;
  readonly value: AnyValue;
}

/** One request with all of them. `now`: milliseconds since the epoch. `maxBytes`: of one event. */
export function otlpRequest(
  events: readonly ExportEvent[],
  product: Product,
  now: number,
  maxBytes: number = Number.POSITIVE_INFINITY,
): string {
  const resource = attributes({
    'service.name': 'hoopctl',
    'service.version': product.version,
    'service.instance.id': product.gateway,
  });
  const scope = { name: 'hoopctl.record', version: product.version };
  const records = events.map((one) => fitting(one, maxBytes, (event) => JSON.stringify(record(event, now))));
  const [about, by] = [JSON.stringify({ attributes: resource }), JSON.stringify(scope)];
  return `{"resourceLogs":[{"resource":${about},"scopeLogs":[{"scope":${by},"logRecords":[${records.join()}]}]}]}`;
}

function record(event: ExportEvent, now: number): object {
  const gist = gistOf(event);
  const { number, text } = severityOf(gist.severity);
  return {
    timeUnixNano: nanos(timeOf(event)),
    observedTimeUnixNano: nanos(now),
    severityNumber: number,
    severityText: text,
    eventName: `hoopctl.${event.name}`,
    body: anyValue(event.fields),
    attributes: attributes({
      'hoopctl.id': event.id,
      'hoopctl.sequence': event.sequence,
      'hoopctl.connection': gist.connection,
      'hoopctl.operation': gist.operation,
      'hoopctl.outcome': gist.outcome,
      'session.id': gist.session,
      'user.name': gist.who,
      'user.id': gist.principal.subject,
      'client.address': gist.client?.ip,
      'client.port': gist.client?.port,
      'db.query.text': gist.text,
    }),
  };
}

const nanos = (ms: number) => String(BigInt(ms) * 1_000_000n);

/** SeverityNumber: INFO 9, INFO3 11, WARN 13, ERROR 17, ERROR3 19. */
function severityOf(severity: number): { number: number; text: string } {
  if (severity >= 9) return { number: 19, text: 'ERROR' };
  if (severity >= 8) return { number: 17, text: 'ERROR' };
  if (severity >= 6) return { number: 13, text: 'WARN' };
  return { number: severity >= 3 ? 11 : 9, text: 'INFO' };
}

function attributes(values: Readonly<Record<string, unknown>>): KeyValue[] {
  return Object.entries(values).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key: key.toWellFormed(), value: anyValue(value) }],
  );
}

function anyValue(value: unknown): AnyValue {
  if (typeof value === 'string') return { stringValue: value.toWellFormed() };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number')
    return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValue) } };
  if (typeof value === 'object' && value !== null)
    return { kvlistValue: { values: attributes(value as Record<string, unknown>) } };
  return {};
}

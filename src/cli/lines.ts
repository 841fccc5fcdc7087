// A running client as plain lines: what a log of `hoopctl connect` holds. One event, at most a few lines.

import type { ClientEvent } from '../client/events.ts';
import { byteSize, oneLine } from './text.ts';
import { troubleLine } from './trouble.ts';

/** Makes the lines of event after event. */
export function clientLine(): (event: ClientEvent) => string[] {
  let reachedOnce = false;
  return (event) => {
    if (event.type === 'gateway' && event.reachable) {
      // The first time it goes without saying.
      const lines = reachedOnce ? ['the gateway is back'] : [];
      reachedOnce = true;
      return lines;
    }
    const trouble = troubleLine(event);
    if (trouble !== undefined) return [trouble];
    const line = ordinaryLine(event);
    return line === undefined ? [] : [line];
  };
}

/** Host and port are told apart from the facts, in one piece. */
export function shownFacts(facts: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(facts).filter(([key]) => key !== 'host' && key !== 'port');
}

function ordinaryLine(event: ClientEvent): string | undefined {
  switch (event.type) {
    case 'ready': {
      const facts = shownFacts(event.facts).map(([key, value]) => `, ${key} ${oneLine(value)}`);
      return `${event.connection}: ready at ${event.host}:${event.port}${facts.join('')}, ${event.url}`;
    }
    case 'session':
      return `${event.connection}: session ${event.session}`;
    case 'operation': {
      if (event.verdict === 'allow') return undefined;
      const rule = event.rule === undefined ? '' : ` by rule '${oneLine(event.rule)}'`;
      return `${event.connection}: ${event.verdict}${rule}: ${oneLine(event.text, 120)}`;
    }
    case 'review':
      return `${event.connection}: review ${event.review} ${event.state}`;
    case 'end':
      return `${event.connection}: session ${event.session} ended: ${oneLine(event.message)}`;
    case 'closed': {
      const session = event.session === undefined ? 'connection' : `session ${event.session}`;
      return `${event.connection}: ${session} closed, ${byteSize(event.sent)} out, ${byteSize(event.received)} in`;
    }
    default:
      return undefined;
  }
}

// Masks as a session hands them out: one action on a whole value, or detectors and an action on each find.

import type { RE2JS } from 're2js';
import type { Mask } from '../../protocol/contract.ts';
import { type Action, type Apply, applyAction, compareActions } from './actions.ts';
import type { Detector } from './detectors/detector.ts';
import { Scanner } from './scanner.ts';

/** A whole column. */
export function columnMask(name: string, by: 'column' | 'unproven', action: Action, key: Uint8Array): Mask {
  return { name, by, text: applyAction(action, key) };
}

/** What a mask looks for in values: built-in detectors, the user's own patterns (linear time), and what it then does. */
export interface Detection {
  readonly name: string;
  readonly action: Action;
  readonly detectors: readonly Detector[];
  readonly patterns: readonly RE2JS[];
}

interface Replacement {
  readonly action: Action;
  readonly apply: Apply;
  readonly name: string;
}

interface Found {
  readonly start: number;
  readonly end: number;
  readonly tag: Replacement;
}

/**
 * All detections in one: replaces only what was found; finds that overlap become one, with the strictest of their
 * actions. A find whose action is `null` makes the whole value NULL.
 */
export function detectorMask(detections: readonly Detection[], key: Uint8Array): Mask {
  const entries: { detector: Detector; tag: Replacement }[] = [];
  const patterns: { pattern: RE2JS; tag: Replacement }[] = [];
  for (const { name, action, detectors, patterns: own } of detections) {
    const tag = { action, apply: applyAction(action, key), name };
    for (const detector of detectors) entries.push({ detector, tag });
    for (const pattern of own) patterns.push({ pattern, tag });
  }
  const scanner = new Scanner(entries);
  return {
    name: detections
      .map((detection) => detection.name)
      .sort()
      .join(', '),
    by: 'detector',
    text(value) {
      let finds: Found[] | undefined = entries.length > 0 ? scanner.scan(value) : undefined;
      for (const { pattern, tag } of patterns) {
        for (const match of pattern.matchAll(value)) {
          if (match[0].length === 0) continue;
          finds ??= [];
          finds.push({ start: match.index!, end: match.index! + match[0].length, tag });
        }
      }
      return finds === undefined ? value : replace(value, finds);
    },
  };
}

function replace(value: string, finds: Found[]): string | null {
  finds.sort((a, b) => a.start - b.start || b.end - a.end);
  let out = '';
  let copied = 0;
  for (let i = 0; i < finds.length; ) {
    const { start } = finds[i]!;
    let { end, tag } = finds[i]!;
    for (i++; i < finds.length && finds[i]!.start < end; i++) {
      const other = finds[i]!;
      end = Math.max(end, other.end);
      if ((compareActions(other.tag.action, tag.action) || (other.tag.name < tag.name ? -1 : 1)) < 0) tag = other.tag;
    }
    const replacement = tag.apply(value.slice(start, end));
    if (replacement === null) return null;
    out += value.slice(copied, start) + replacement;
    copied = end;
  }
  return out + value.slice(copied);
}

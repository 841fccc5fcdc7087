// What the sessions of one database and user share: its catalogue, and what has been followed in it.
// Refuses to know: sessions.

import type { ResultColumn } from '../../contract.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import { Covered } from '../catalogue/covered.ts';
import type { Snapshot } from '../catalogue/snapshot.ts';
import { Reach } from '../reach/reach.ts';
import type { Lineage } from '../sql/lineage.ts';
import { OriginResolver } from './origins.ts';
import type { TypeRegistry } from './types.ts';

/** DDL whose session is gone waits for a lock at most so long, as far as anybody reckons with it. */
const LOST_MS = 600_000;

/** What concerns one database, whoever looks at it. */
export interface Place {
  readonly catalogues: Set<Catalogue>;
  /** Sessions with DDL under way, and until when that counts. */
  readonly unsettled: Map<object, number>;
}

/** What all planners of one key share: the catalogue, and the resolver of its snapshot with what it has followed. */
export class Shared {
  readonly catalogue: Catalogue;
  readonly reach: Reach;
  readonly covered: Covered;
  readonly #types: TypeRegistry;
  readonly #place: Place;
  #snapshot: Snapshot | undefined;
  #resolver: OriginResolver | undefined;
  #memo = new WeakMap<Lineage, Map<string, readonly ResultColumn[]>>();

  constructor(catalogue: Catalogue, types: TypeRegistry, place: Place) {
    this.catalogue = catalogue;
    this.#place = place;
    place.catalogues.add(catalogue);
    this.reach = new Reach(catalogue);
    this.covered = new Covered(catalogue);
    this.#types = types;
  }

  get types(): TypeRegistry {
    return this.#types;
  }

  /** DDL went by. */
  changed(): void {
    for (const catalogue of this.#place.catalogues) catalogue.invalidate();
  }

  /** DDL went by that may have covered more. */
  forget(): void {
    for (const catalogue of this.#place.catalogues) catalogue.forget();
  }

  /** DDL of one session is under way, until `settle`. */
  unsettle(session: object): void {
    this.#place.unsettled.set(session, Number.POSITIVE_INFINITY);
  }

  /** @param lost a server may still carry it out, long after its client is gone. */
  settle(session: object, lost: boolean): void {
    const { unsettled } = this.#place;
    if (lost) unsettled.set(session, this.catalogue.now + LOST_MS);
    else unsettled.delete(session);
  }

  /** Whether the server may have carried out DDL of another session that has not been told of yet. */
  isUnsettled(session: object): boolean {
    const { unsettled } = this.#place;
    for (const [other, until] of unsettled) {
      if (until < this.catalogue.now) unsettled.delete(other);
      else if (other !== session) return true;
    }
    return false;
  }

  resolver(snapshot: Snapshot): OriginResolver {
    if (this.#resolver === undefined || this.#snapshot !== snapshot) {
      this.#types.learn(snapshot.textTypes);
      this.#snapshot = snapshot;
      this.#resolver = new OriginResolver(snapshot, this.catalogue);
      this.#memo = new WeakMap();
    }
    return this.#resolver;
  }

  /** Plans by their fields' signature; the same statement gives the same arrays, as long as the catalogue stays. */
  memo(lineage: Lineage): Map<string, readonly ResultColumn[]> {
    let plans = this.#memo.get(lineage);
    if (plans === undefined) {
      plans = new Map();
      this.#memo.set(lineage, plans);
    }
    return plans;
  }
}

// Which sessions share what is known of a database. Refuses to know: what is in a catalogue.

import type { CatalogueSource, ColumnPlanner } from '../analysis.ts';
import { Catalogue, type CatalogueTimes } from '../catalogue/catalogue.ts';
import { Planner } from './planner.ts';
import { type Place, Shared } from './shared.ts';
import type { TypeRegistry } from './types.ts';

/** The catalogues of the process: sessions of one connection, database and user share one. */
export class Catalogues {
  readonly #catalogues = new Map<string, Shared>();
  readonly #places = new Map<string, Place>();
  readonly #types: TypeRegistry;
  readonly #times: CatalogueTimes | undefined;

  constructor(types: TypeRegistry, times?: CatalogueTimes) {
    this.#types = types;
    this.#times = times;
  }

  planner(source: CatalogueSource): ColumnPlanner {
    let shared = this.#catalogues.get(source.key);
    if (shared === undefined) {
      shared = new Shared(new Catalogue(source, this.#times), this.#types, this.#place(source.place ?? source.key));
      this.#catalogues.set(source.key, shared);
    } else {
      shared.catalogue.reachThrough(source);
    }
    return new Planner(shared);
  }

  #place(name: string): Place {
    let found = this.#places.get(name);
    if (found === undefined) {
      found = { catalogues: new Set(), unsettled: new Map() };
      this.#places.set(name, found);
    }
    return found;
  }
}

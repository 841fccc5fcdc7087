// Statements about whole schemas: which, so that a rule about a relation in one is met.
// Refuses to know: what is in them.

import type { Tree } from './parser.ts';
import { as, list, text } from './tree.ts';

const EVERYTHING = ['*'];

/** Schemas of which the statement touches every relation; `*`: all. Reading only statistics (VACUUM) does not count. */
export function spacesOf(type: string, node: Tree): readonly string[] {
  switch (type) {
    case 'DropStmt':
      return text(node, 'removeType') === 'OBJECT_SCHEMA' ? strings(list(node, 'objects')) : [];
    case 'GrantStmt':
      return text(node, 'targtype') === 'ACL_TARGET_ALL_IN_SCHEMA' ? strings(list(node, 'objects')) : [];
    case 'RenameStmt':
      return text(node, 'renameType') === 'OBJECT_SCHEMA' ? [text(node, 'subname') ?? '*'] : [];
    case 'AlterOwnerStmt':
      return text(node, 'objectType') === 'OBJECT_SCHEMA' ? strings([node.object]) : [];
    case 'CreatePublicationStmt':
    case 'AlterPublicationStmt':
      return node.for_all_tables === true ? EVERYTHING : list(node, 'pubobjects').flatMap(published);
    case 'DropOwnedStmt':
    case 'ReassignOwnedStmt':
    case 'AlterTableMoveAllStmt':
      return EVERYTHING;
    default:
      return [];
  }
}

function strings(values: readonly unknown[]): string[] {
  return values.map((value) => text(as(value, 'String'), 'sval') ?? '*');
}

function published(item: unknown): string[] {
  const object = as(item, 'PublicationObjSpec');
  const kind = text(object, 'pubobjtype') ?? '';
  // The current schema is whichever the search path says.
  if (kind.endsWith('CUR_SCHEMA')) return ['*'];
  return kind.endsWith('IN_SCHEMA') ? [text(object, 'name') ?? '*'] : [];
}

// Names that a settings file may hold; a test keeps the list equal to the options of all verbs.

import type { Known } from './settings.ts';

export const SETTINGS: Known = {
  options: [],
  verbs: [],
};

// oidc-provider's Adapter over the store.

import { type Adapter, type AdapterPayload, errors } from 'oidc-provider';
import type { OidcPayload, OidcStore } from '../../session/identity/stores.ts';

export function storeAdapter(store: OidcStore): (model: string) => Adapter {
  return (model) => ({
    upsert: (id, payload, expiresIn) => store.upsert(model, id, payload as OidcPayload, expiresIn),
    find: async (id) => (await store.find(model, id)) as AdapterPayload | undefined,
    findByUserCode: async (code) => (await store.findByUserCode(model, code)) as AdapterPayload | undefined,
    findByUid: async (uid) => (await store.findByUid(model, uid)) as AdapterPayload | undefined,
    // Two requests that found it unused at once: the second one is refused here.
    consume: async (id) => {
      if (!(await store.consume(model, id))) throw new errors.InvalidGrant(`${model} already used`);
    },
    destroy: (id) => store.destroy(model, id),
    revokeByGrantId: (grantId) => store.revokeByGrantId(grantId),
  });
}

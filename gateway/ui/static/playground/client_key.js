// The client key that the playground's requests carry, where the dashboard's own key is an admin's. It is held in memory
// only, and belongs to the sign-in during which it was typed in.

import { apiKey } from "../api.js";

const held = { value: null, signIn: null };

export const clientKey = {
  get: () => (held.signIn === apiKey.get() ? held.value : null),
  set: (value) => { held.value = value || null; held.signIn = apiKey.get(); },
};

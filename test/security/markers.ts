import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { encodings } from './two-origins.ts';

/** A secret for each place in which one can stand, all different. */
export const MARKERS = {
  username: 'marker-account',
  password: 'pw+"marker"/ä\\7Qx',
  token: 'tk-marker.8Zw~x',
  identityToken: 'id-marker.9Yv_y',
  helper: 'hp-marker!6Wu@x',
  header: 'hd-marker;5Tv x',
  proxy: 'px-marker:4Su#z',
  query: 'qy-marker-3Rt',
  userinfo: 'ui-marker-2Qs',
  environment: 'ev-marker-1Pr',
  beside: 'bs-marker-0Oq',
  inner: 'in-marker-9Np',
} as const;

const SECRET = Object.entries(MARKERS).filter(([place]) => place !== 'username');
const FORMS = SECRET.flatMap(([place, secret]) =>
  [
    ...encodings(secret),
    JSON.stringify(secret).slice(1, -1),
    new URLSearchParams({ x: secret }).toString().slice(2),
  ].map((form) => ({ place, form: form.toLowerCase() })),
);

/** Which secrets a text holds, in any encoding. */
export function secretsIn(text: string): readonly string[] {
  const folded = text.toLowerCase();
  return [...new Set(FORMS.filter(({ form }) => folded.includes(form)).map(({ place }) => place))];
}

/** Which secrets the files under a folder hold, their names included. */
export async function secretsUnder(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const found: string[] = [];
  for (const entry of names) {
    const file = path.join(entry.parentPath, entry.name);
    const text = entry.isFile() ? await readFile(file, 'latin1') : '';
    // What is written in UTF-8 must be found, too.
    const both = `${entry.name}\n${text}\n${Buffer.from(text, 'latin1').toString('utf8')}`;
    found.push(...secretsIn(both).map((place) => `${place} in ${file}`));
  }
  return found;
}

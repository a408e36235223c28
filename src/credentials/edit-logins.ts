import { applyEdits, type FormattingOptions, modify } from 'jsonc-parser';
import { isJsonObject, type JsonObject } from '../oci/json.ts';
import type { Credential } from './credential.ts';

/** The fields of a login; others are somebody else's. */
const LOGIN_FIELDS = ['auth', 'username', 'password', 'identitytoken', 'registrytoken'];

/** The text of a docker config with a login in its `auths`; everything else stays as it stands. */
export function withLogin(text: string, key: string, credential: Credential): string {
  const { auths } = JSON.parse(text) as JsonObject;
  const before = isJsonObject(auths) && Object.hasOwn(auths, key) ? auths[key] : undefined;
  const kept = Object.entries(isJsonObject(before) ? before : {}).filter(
    ([field]) => !LOGIN_FIELDS.includes(field),
  );
  const { username, password, identityToken } = credential;
  const login = {
    auth: Buffer.from(`${username}:${identityToken === undefined ? password : ''}`).toString(
      'base64',
    ),
    ...(identityToken === undefined ? {} : { identitytoken: identityToken }),
    ...Object.fromEntries(kept),
  };
  return isJsonObject(auths)
    ? changed(text, ['auths', key], login)
    : changed(text, ['auths'], { [key]: login });
}

/** The text without the entries of `auths` that `isGone` names. */
export function withoutLogins(text: string, isGone: (key: string) => boolean): string {
  const { auths } = JSON.parse(text) as JsonObject;
  return Object.keys(isJsonObject(auths) ? auths : {})
    .filter(isGone)
    .reduce((left, key) => changed(left, ['auths', key], undefined), text);
}

function changed(text: string, path: string[], value: unknown): string {
  return applyEdits(text, modify(text, path, value, layoutOf(text)));
}

/** As the file is laid out; a new one as docker does it. Text in one line stays in one line. */
function layoutOf(text: string): { formattingOptions?: FormattingOptions } {
  const indent = /\n([ \t]+)\S/.exec(text)?.[1];
  if (indent === undefined && text !== '{}' && !text.includes('\n')) return {};
  const isTab = indent === undefined || indent.startsWith('\t');
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  return { formattingOptions: { insertSpaces: !isTab, tabSize: isTab ? 4 : indent.length, eol } };
}

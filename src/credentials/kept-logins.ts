import { helperFor } from './config-credentials.ts';
import { type EditOptions, editConfigFile } from './config-file.ts';
import type { Credential } from './credential.ts';
import { dockerConfigReader } from './docker-config.ts';
import { type HelperOptions, helperErase, helperGet, helperStore } from './program.ts';
import { hostOfKey, hostVariants, serverKey } from './server-key.ts';

export interface KeepOptions extends HelperOptions, EditOptions {}

/**
 * Keeps a login where docker would: with the credential helper that the docker config file names for
 * the registry, else in the file itself, unencrypted.
 *
 * @param path the docker config file
 * @returns the helper that keeps it; undefined: the file does
 * @throws SlipwayError `CONFIG_INVALID`, `COMMAND_FAILED` for a helper that fails, `FILE_NOT_FOUND`,
 * `NO_SPACE`
 */
export async function storeLogin(
  path: string,
  host: string,
  credential: Credential,
  options: KeepOptions = {},
): Promise<string | undefined> {
  const helper = helperFor(await dockerConfigReader(path)(), host);
  if (helper === undefined) {
    const { withLogin } = await import('./edit-logins.ts');
    await editConfigFile(path, (text) => withLogin(text, serverKey(host), credential), options);
    return undefined;
  }
  await helperStore(helper, serverKey(host), credential, options);
  // An older one in the file would stay readable, and come back when the helper is gone.
  await forgetInFile(path, host, options);
  return helper;
}

/**
 * Forgets the logins of a registry under every form of its name, in the docker config file and with
 * its credential helper.
 *
 * @throws SlipwayError as {@link storeLogin}; `COMMAND_FAILED` if the helper keeps what it has
 */
export async function eraseLogin(
  path: string,
  host: string,
  options: KeepOptions = {},
): Promise<void> {
  const helper = helperFor(await dockerConfigReader(path)(), host);
  await forgetInFile(path, host, options);
  if (helper === undefined) return;
  let isErased = false;
  const failures: unknown[] = [];
  const names = [serverKey(host), ...hostVariants(host)];
  const forms = names.flatMap((name) =>
    name.includes('/') ? [name] : [name, `https://${name}`, `http://${name}`],
  );
  for (const name of new Set(forms)) {
    try {
      // Many helpers fail where there is nothing to erase.
      if ((await helperGet(helper, name, options)) === undefined) continue;
      isErased = (await helperErase(helper, name, options)) || isErased;
    } catch (error) {
      options.signal?.throwIfAborted();
      failures.push(error);
      // One that can't be run, or hangs, won't do better with the next name.
      if (!isErased) break;
    }
  }
  if (failures.length > 0 && !isErased) throw failures[0];
}

async function forgetInFile(path: string, host: string, options: KeepOptions): Promise<void> {
  const hosts = hostVariants(host);
  const isOf = (key: string) => key === serverKey(host) || hosts.includes(hostOfKey(key) ?? '');
  const { auths } = await dockerConfigReader(path)();
  if (!Object.keys(auths).some(isOf)) return;
  const { withoutLogins } = await import('./edit-logins.ts');
  await editConfigFile(path, (text) => withoutLogins(text, isOf), options);
}

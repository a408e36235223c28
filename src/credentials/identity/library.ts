import { SlipwayError, systemCode } from '../../errors.ts';

/**
 * Loads a cloud's own library, which users install beside Slipway if they need it.
 *
 * @throws SlipwayError `CONFIG_INVALID` if one of the packages isn't there
 */
export async function loadLibrary<T>(
  packages: readonly string[],
  host: string,
  load: () => Promise<T>,
): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const code = systemCode(error);
    if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') throw error;
    const names = packages.join(' and ');
    const these = packages.length === 1 ? 'the package' : 'the packages';
    throw new SlipwayError(
      'CONFIG_INVALID',
      `--identity auto needs ${these} ${names} for ${host}`,
      {
        host,
        hint: `install it beside Slipway: npm install ${packages.join(' ')} (with -g if Slipway was installed with -g)`,
      },
    );
  }
}

import type { Signalled } from '../content/transport.ts';
import type { Credential } from '../credentials/credential.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import { registryError } from './errors.ts';
import type { HostSettings, RegistryHost } from './host.ts';

const DOING = 'log in';

/** What came of a login that was not refused. */
export interface LoginResult {
  /** what to keep instead of the password, where the token service gave one */
  readonly identityToken?: string;
  /** false: the registry lets everybody in, so nothing was proved */
  readonly isAsked: boolean;
}

/**
 * Asks a registry for its front page as somebody (distribution-spec, "Determining Support"): any
 * 2xx will do.
 *
 * @param hostOf makes the host that is asked with a credential
 */
export async function checkLogin(
  hostOf: (login: Required<Pick<HostSettings, 'credentials' | 'onLogin'>>) => RegistryHost,
  credential: Credential,
  { signal }: Signalled = {},
): Promise<LoginResult> {
  let identityToken: string | undefined;
  let isAsked = false;
  const host = hostOf({
    credentials: async () => {
      isAsked = true;
      return credential;
    },
    onLogin: (token) => {
      ({ identityToken } = token);
    },
  });
  const request = {
    method: 'GET',
    url: '/v2/',
    repository: { host: host.name, path: '' },
    scopes: [],
    doing: DOING,
    signal,
  };
  const response = await host.send(request).catch((error: unknown) => {
    throw isSlipwayError(error, 'AUTH_REQUIRED') ? refused(error, host.name, credential) : error;
  });
  const { status } = response;
  if (status === 404) {
    await response.drop();
    throw new SlipwayError(
      'NOT_A_REGISTRY',
      `${host.name} has no registry: it answers 404 to /v2/`,
      {
        host: host.name,
        status,
        hint: 'check host and port',
      },
    );
  }
  if (status < 200 || status > 299)
    throw await registryError(response, { host: host.name, doing: DOING });
  await response.drop();
  return { isAsked, ...(identityToken === undefined ? {} : { identityToken }) };
}

function refused(error: SlipwayError, host: string, { username }: Credential): SlipwayError {
  const [first] = error.facts.registryErrors ?? [];
  const said = first === undefined ? '' : `: ${first.code}: ${first.message ?? ''}`;
  return new SlipwayError(
    'AUTH_REQUIRED',
    `${host} refused the login of ${JSON.stringify(username)}${said}`,
    {
      ...error.facts,
      hint: 'check the user name and the password; some registries want a token in its place',
      cause: error,
    },
  );
}

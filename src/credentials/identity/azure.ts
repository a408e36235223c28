import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { keepSecret } from '../../bytes/secrets.ts';
import { askForToken } from './answers.ts';
import { ciToken, hasCiToken } from './ci-token.ts';
import { isUnreached } from './failures.ts';
import { loadLibrary } from './library.ts';
import { type ExchangeTools, type Login, tokenExpiry } from './login.ts';
import { machineCloud } from './machine.ts';

type Library = typeof import('@azure/identity');
type TokenCredential = import('@azure/identity').TokenCredential;

/** Tokens for registries only: one for Azure's management would open much more. */
const SCOPE = 'https://containerregistry.azure.net/.default';
/** What Entra expects a job's token to be made for. */
const AUDIENCE = 'api://AzureADTokenExchange';
/** The user name that goes with a token of ours. */
const USERNAME = '00000000-0000-0000-0000-000000000000';

/** A login of Azure's Container Registry; undefined if nobody is logged in here. */
export async function azureLogin(host: string, tools: ExchangeTools): Promise<Login | undefined> {
  const sources = await sourcesOf(process.env);
  if (sources.length === 0) return undefined;
  const library = await loadLibrary(['@azure/identity'], host, () => import('@azure/identity'));
  const { AzureChina, AzureGovernment } = library.AzureAuthorityHosts;
  const own = host.endsWith('.cn')
    ? AzureChina
    : host.endsWith('.us')
      ? AzureGovernment
      : undefined;
  const authorityHost = process.env.AZURE_AUTHORITY_HOST || own;
  const options = authorityHost === undefined ? {} : { authorityHost };
  const chain = new library.ChainedTokenCredential(
    ...sources.map((source) => source(library, options, tools)),
  );
  const aad = await chain.getToken(SCOPE, { abortSignal: tools.signal }).catch((error) => {
    if (isUnavailable(error) && !isUnreached(error)) return undefined;
    throw error;
  });
  if (!aad) return undefined;
  keepSecret(aad.token);
  const refreshToken = await exchange(host, aad.token, tools);
  return {
    credential: { username: USERNAME, password: refreshToken, identityToken: refreshToken },
    expiresAtMs: tokenExpiry(refreshToken),
  };
}

type Source = (
  library: Library,
  options: { authorityHost?: string },
  tools: ExchangeTools,
) => TokenCredential;

/** Who we may be, in the library's own order; each is named by a variable, a file or the firmware. */
async function sourcesOf(env: NodeJS.ProcessEnv): Promise<readonly Source[]> {
  const { AZURE_TENANT_ID: tenantId = '', AZURE_CLIENT_ID: clientId = '' } = env;
  const isApplication = tenantId !== '' && clientId !== '';
  const hasSecret = Boolean(env.AZURE_CLIENT_SECRET || env.AZURE_CLIENT_CERTIFICATE_PATH);
  const tokenFilePath = env.AZURE_FEDERATED_TOKEN_FILE;
  const cliFolder = env.AZURE_CONFIG_DIR || path.join(homedir(), '.azure');
  const sources: Source[] = [];
  if (isApplication && hasSecret) {
    sources.push((library, options) => new library.EnvironmentCredential(options));
  }
  if (isApplication && tokenFilePath) {
    sources.push((library, options) => new library.WorkloadIdentityCredential(options));
  } else if (isApplication && !hasSecret && hasCiToken('azure', env)) {
    sources.push((library, options, tools) => {
      const assertion = () => ciToken('azure', AUDIENCE, tools);
      return new library.ClientAssertionCredential(tenantId, clientId, assertion, options);
    });
  }
  if (await isManaged(env)) {
    sources.push((library) =>
      clientId === ''
        ? new library.ManagedIdentityCredential()
        : new library.ManagedIdentityCredential({ clientId }),
    );
  }
  if (existsSync(path.join(cliFolder, 'azureProfile.json'))) {
    sources.push((library) => new library.AzureCliCredential());
  }
  return sources;
}

/** True where a service of Azure's says who this machine, container or function is. */
async function isManaged(env: NodeJS.ProcessEnv): Promise<boolean> {
  // The library's own switch: one kind of identity, or those of a developer's machine.
  const only = env.AZURE_TOKEN_CREDENTIALS?.trim().toLowerCase() ?? '';
  if (!['', 'prod', 'managedidentitycredential'].includes(only)) return false;
  const isNamed = [
    ...[env.IDENTITY_ENDPOINT, env.MSI_ENDPOINT, env.AZURE_POD_IDENTITY_AUTHORITY_HOST],
  ].some(Boolean);
  return isNamed || (await machineCloud()) === 'azure';
}

function isUnavailable(error: unknown): boolean {
  const { name, errors } = error as { name?: unknown; errors?: unknown };
  if (name === 'CredentialUnavailableError') return true;
  return (
    name === 'AggregateAuthenticationError' && Array.isArray(errors) && errors.every(isUnavailable)
  );
}

/** Exchanges a token of Entra for one of the registry's own (azure.github.io/acr/AAD-OAuth.html). */
async function exchange(host: string, aadToken: string, tools: ExchangeTools): Promise<string> {
  const form = { grant_type: 'access_token', service: host, access_token: aadToken };
  return await askForToken(
    {
      request: {
        method: 'POST',
        url: new URL(`https://${host}/oauth2/exchange`),
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: Buffer.from(new URLSearchParams(form).toString()),
      },
      field: 'refresh_token',
      refused: `${host} did not accept the Azure identity`,
      hint: `give the identity a role at ${host}, such as AcrPush`,
    },
    tools,
  );
}

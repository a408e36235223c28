import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { SlipwayError } from '../../errors.ts';
import { ciToken, hasCiToken } from './ci-token.ts';
import { loadLibrary } from './library.ts';
import type { ExchangeTools, Login } from './login.ts';
import { machineCloud } from './machine.ts';

type Library = typeof import('google-auth-library');
type AuthClient = import('google-auth-library').AuthClient;

/** The user name that Google's registries take with an access token as password. */
const USERNAME = 'oauth2accesstoken';
const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
const PROVIDER =
  /^projects\/[0-9]+\/locations\/global\/workloadIdentityPools\/[a-z0-9-]+\/providers\/[a-z0-9-]+$/;
const ACCOUNT = /^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+$/;

/** A login of Artifact Registry or Container Registry; undefined if nobody is logged in here. */
export async function googleLogin(host: string, tools: ExchangeTools): Promise<Login | undefined> {
  const env = process.env;
  const file = credentialsFile(env);
  const provider = env.SLIPWAY_GOOGLE_PROVIDER;
  const isJob = file === undefined && Boolean(provider) && hasCiToken('google', env);
  const isMachine = file === undefined && !isJob && (await isOnGoogle(env));
  if (file === undefined && !isJob && !isMachine) return undefined;
  const library = await loadLibrary(
    ['google-auth-library'],
    host,
    () => import('google-auth-library'),
  );
  let client: AuthClient;
  if (file !== undefined) {
    client = await fileClient(library, file);
  } else if (isJob) {
    client = poolClient(library, provider ?? '', tools);
  } else {
    client = new library.Compute();
  }
  const { token } = await client.getAccessToken();
  if (!token) throw new Error('the answer holds no access token');
  const { expiry_date: expiresAtMs } = client.credentials;
  return {
    credential: { username: USERNAME, password: token },
    ...(typeof expiresAtMs === 'number' ? { expiresAtMs } : {}),
  };
}

/**
 * Whoever the file with the application's default credentials names.
 *
 * @throws SlipwayError `FILE_NOT_FOUND`, `CONFIG_INVALID`
 */
async function fileClient(library: Library, file: string): Promise<AuthClient> {
  if (!existsSync(file)) {
    throw new SlipwayError('FILE_NOT_FOUND', `the Google credentials are not there: ${file}`, {
      path: file,
      hint: 'GOOGLE_APPLICATION_CREDENTIALS names the file',
    });
  }
  // No project is needed here; without one the library would run gcloud to find it.
  const auth = new library.GoogleAuth({ scopes: SCOPE, projectId: 'none' });
  try {
    return await auth.getClient();
  } catch (error) {
    // Its own words may quote the file.
    if (!(error instanceof SyntaxError)) throw error;
    throw new SlipwayError('CONFIG_INVALID', `the Google credentials are not JSON: ${file}`, {
      path: file,
    });
  }
}

/** The file with the application's default credentials, where Google's libraries look for it. */
function credentialsFile(env: NodeJS.ProcessEnv): string | undefined {
  if (env.GOOGLE_APPLICATION_CREDENTIALS) return env.GOOGLE_APPLICATION_CREDENTIALS;
  const folder =
    env.CLOUDSDK_CONFIG ||
    (process.platform === 'win32'
      ? path.join(env.APPDATA ?? '', 'gcloud')
      : path.join(homedir(), '.config', 'gcloud'));
  const file = path.join(folder, 'application_default_credentials.json');
  return existsSync(file) ? file : undefined;
}

/** True where the metadata service is Google's; the library's own probe would ask everywhere. */
async function isOnGoogle(env: NodeJS.ProcessEnv): Promise<boolean> {
  const detection = env.METADATA_SERVER_DETECTION?.trim().toLowerCase();
  if (detection === 'none') return false;
  if (detection === 'assume-present') return true;
  const isNamed = [
    ...[env.GCE_METADATA_HOST, env.GCE_METADATA_IP],
    ...[env.K_SERVICE, env.CLOUD_RUN_JOB, env.FUNCTION_NAME, env.GAE_SERVICE],
  ].some(Boolean);
  return isNamed || (await machineCloud()) === 'google';
}

/** Workload identity federation with the token of the CI job. */
function poolClient(library: Library, provider: string, tools: ExchangeTools): AuthClient {
  const account = process.env.SLIPWAY_GOOGLE_SERVICE_ACCOUNT;
  if (!PROVIDER.test(provider)) {
    throw new SlipwayError('CONFIG_INVALID', 'SLIPWAY_GOOGLE_PROVIDER names no provider', {
      hint: 'write projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER',
    });
  }
  if (account && !ACCOUNT.test(account)) {
    throw new SlipwayError('CONFIG_INVALID', 'SLIPWAY_GOOGLE_SERVICE_ACCOUNT is no address', {
      hint: 'write NAME@PROJECT.iam.gserviceaccount.com',
    });
  }
  return new library.IdentityPoolClient({
    type: 'external_account',
    audience: `//iam.googleapis.com/${provider}`,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    subject_token_supplier: {
      getSubjectToken: () => ciToken('google', `https://iam.googleapis.com/${provider}`, tools),
    },
    token_url: 'https://sts.googleapis.com/v1/token',
    scopes: [SCOPE],
    ...(account
      ? {
          service_account_impersonation_url: `https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/${account}:generateAccessToken`,
        }
      : {}),
  });
}

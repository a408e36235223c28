import { existsSync } from 'node:fs';
import { Agent } from 'node:https';
import { homedir } from 'node:os';
import path from 'node:path';
import { ciToken, hasCiToken } from './ci-token.ts';
import { isUnreached } from './failures.ts';
import type { EcrPublicRegistry, EcrRegistry } from './hosts.ts';
import { loadLibrary } from './library.ts';
import type { ExchangeTools, Login } from './login.ts';
import { machineCloud } from './machine.ts';

type Provider = import('@aws-sdk/client-ecr').ECRClientConfig['credentials'] & {};

/** What Amazon's token service expects a job's token to be made for. */
const AUDIENCE = 'sts.amazonaws.com';
/** Amazon's public registry has its logins there only. */
const PUBLIC_REGION = 'us-east-1';
const CONNECT_TIMEOUT_MS = 5_000;
const ANSWER_TIMEOUT_MS = 15_000;

/** The library warns on the console where it has no other place. */
const QUIET = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

/** What says that an identity may be had, and from where; each is looked at without asking anybody. */
interface Evidence {
  readonly hasJobToken: boolean;
  readonly isOnEc2: boolean;
  readonly isAny: boolean;
}

async function evidenceOf(env: NodeJS.ProcessEnv): Promise<Evidence> {
  const hasJobToken =
    Boolean(env.AWS_ROLE_ARN) && !env.AWS_WEB_IDENTITY_TOKEN_FILE && hasCiToken('aws', env);
  const isDisabled = (env.AWS_EC2_METADATA_DISABLED ?? 'false').toLowerCase() !== 'false';
  const isOnEc2 =
    !isDisabled &&
    (Boolean(env.AWS_EC2_METADATA_SERVICE_ENDPOINT) || (await machineCloud()) === 'aws');
  const folder = path.join(homedir(), '.aws');
  const files = [
    env.AWS_SHARED_CREDENTIALS_FILE || path.join(folder, 'credentials'),
    env.AWS_CONFIG_FILE || path.join(folder, 'config'),
  ];
  const isNamed = [
    ...[env.AWS_ACCESS_KEY_ID, env.AWS_PROFILE, env.AWS_WEB_IDENTITY_TOKEN_FILE],
    ...[env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, env.AWS_CONTAINER_CREDENTIALS_FULL_URI],
  ].some(Boolean);
  return {
    hasJobToken,
    isOnEc2,
    isAny: isNamed || hasJobToken || isOnEc2 || files.some((file) => existsSync(file)),
  };
}

/**
 * A login of ECR (GetAuthorizationToken), for whoever Amazon's own library finds that we are;
 * undefined if it is nobody.
 */
export async function awsLogin(
  registry: EcrRegistry | EcrPublicRegistry,
  tools: ExchangeTools,
): Promise<Login | undefined> {
  const evidence = await evidenceOf(process.env);
  if (!evidence.isAny) return undefined;
  const client =
    registry.cloud === 'ecr-public' ? '@aws-sdk/client-ecr-public' : '@aws-sdk/client-ecr';
  const packages = [client, '@aws-sdk/credential-providers'];
  const providers = await loadLibrary(
    packages,
    registry.host,
    () => import('@aws-sdk/credential-providers'),
  );
  const region = registry.cloud === 'ecr-public' ? PUBLIC_REGION : registry.region;
  const agent = new Agent({ proxyEnv: process.env });
  const requestHandler = {
    httpsAgent: agent,
    connectionTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: ANSWER_TIMEOUT_MS,
    throwOnRequestTimeout: true,
  };
  const credentials = chain(providers, evidence, { region, requestHandler }, tools);
  const config = { region, requestHandler, credentials, logger: QUIET };
  const abortSignal = tools.signal;
  try {
    if (registry.cloud === 'ecr-public') {
      const library = await loadLibrary(
        packages,
        registry.host,
        () => import('@aws-sdk/client-ecr-public'),
      );
      const ecr = new library.ECRPUBLICClient(config);
      const command = new library.GetAuthorizationTokenCommand({});
      return loginOf((await ecr.send(command, { abortSignal })).authorizationData);
    }
    const library = await loadLibrary(packages, registry.host, () => import('@aws-sdk/client-ecr'));
    const ecr = new library.ECRClient({
      ...config,
      ...(registry.isFips ? { useFipsEndpoint: true } : {}),
      ...(registry.isDualStack ? { useDualstackEndpoint: true } : {}),
    });
    const command = new library.GetAuthorizationTokenCommand({});
    return loginOf((await ecr.send(command, { abortSignal })).authorizationData?.[0]);
  } catch (error) {
    // "Nobody is logged in" is said in the same way as "this way in isn't there".
    const isNobody = (error as { tryNextLink?: unknown }).tryNextLink === true;
    if (isNobody && !isUnreached(error)) return undefined;
    throw error;
  } finally {
    agent.destroy();
  }
}

/**
 * The library's own order (environment, profiles with their single sign-on, processes and roles,
 * token file, container, machine), with two differences: a CI job's own token counts, and a
 * machine's metadata service is asked on Amazon's machines only.
 */
function chain(
  providers: typeof import('@aws-sdk/credential-providers'),
  { hasJobToken, isOnEc2 }: Evidence,
  clientConfig: { region: string; requestHandler: object },
  tools: ExchangeTools,
): Provider {
  const env = process.env;
  const init = { logger: QUIET, clientConfig };
  const hasContainer =
    env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI || env.AWS_CONTAINER_CREDENTIALS_FULL_URI;
  const fromJob = async () => {
    const webIdentityToken = await ciToken('aws', AUDIENCE, tools);
    const roleArn = env.AWS_ROLE_ARN ?? '';
    const roleSessionName = env.AWS_ROLE_SESSION_NAME || 'slipway';
    return await providers.fromWebToken({ ...init, roleArn, roleSessionName, webIdentityToken })();
  };
  return providers.createCredentialChain(
    ...(env.AWS_PROFILE ? [] : [providers.fromEnv(init)]),
    ...(hasJobToken ? [fromJob] : []),
    providers.fromIni(init),
    providers.fromProcess(init),
    providers.fromTokenFile(init),
    ...(hasContainer ? [providers.fromHttp({ logger: QUIET })] : []),
    ...(isOnEc2 ? [providers.fromInstanceMetadata({ logger: QUIET })] : []),
  );
}

interface Authorization {
  readonly authorizationToken?: string | undefined;
  readonly expiresAt?: Date | undefined;
}

/** `AWS:PASSWORD` in base64. */
function loginOf(authorization: Authorization | undefined): Login {
  const text = Buffer.from(authorization?.authorizationToken ?? '', 'base64').toString();
  const colon = text.indexOf(':');
  if (colon < 1) throw new Error('the answer holds no authorization token');
  const expiresAt = authorization?.expiresAt;
  return {
    credential: { username: text.slice(0, colon), password: text.slice(colon + 1) },
    ...(expiresAt === undefined ? {} : { expiresAtMs: expiresAt.getTime() }),
  };
}

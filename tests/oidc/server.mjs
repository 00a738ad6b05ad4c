// A real OpenID provider with Keycloak's paths and claims, for tests only: everything is in memory,
// every secret stands below. Prints one line of JSON with its address when it listens.
//   POST /control/rotate?realm=R&keep=0|1   a new signing key; older ones stay published or go
//   POST /control/token-life?realm=R&s=N    life of access tokens from now on
import http from 'node:http';
import crypto from 'node:crypto';
import Provider from 'oidc-provider';

const OFFLINE_S = 30 * 86400;
const RESOURCE = 'urn:tests:syncd';
const people = { robot: { password: 'robot-password', roles: ['raise-tickets'] },
                 guest: { password: 'guest-password', roles: [] } };
// Names as in Keycloak: who calls (itops), who calls for something else (payroll), and ourselves.
const clients = { syncd: ['raise-tickets'], itops: ['raise-tickets'], 'no-role': [], payroll: ['raise-tickets'] };
const audienceOf = (client) => (client === 'payroll' ? 'payroll' : 'syncd');

function keyPair() {
  const { privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: crypto.randomUUID(), use: 'sig', alg: 'RS256' };
}

// What survives a change of keys: tokens and grants of one realm.
class Memory {
  constructor() { this.entries = new Map(); }
  adapter() {
    const { entries } = this;
    return class {
      constructor(model) { this.model = model; }
      at(id) { return `${this.model}/${id}`; }
      async upsert(id, payload) { entries.set(this.at(id), payload); }
      async find(id) { return entries.get(this.at(id)); }
      async findByUid(uid) { return [...entries.values()].find((each) => each.uid === uid); }
      async findByUserCode() { return undefined; }
      async consume(id) { const found = entries.get(this.at(id)); if (found) found.consumed = Math.floor(Date.now() / 1000); }
      async destroy(id) { entries.delete(this.at(id)); }
      async revokeByGrantId(grantId) { for (const [at, each] of entries) if (each.grantId === grantId) entries.delete(at); }
    };
  }
}

class Realm {
  constructor(name, origin, rotates) {
    Object.assign(this, { name, origin, rotates, keys: [keyPair()], life: 300, memory: new Memory() });
    this.build();
  }

  rotate(keep) {
    this.keys = [keyPair(), ...(keep ? this.keys : [])];
    this.build();
  }

  build() {
    const realm = this; const below = '/protocol/openid-connect';
    const resourceServer = (client) => ({ audience: audienceOf(client), scope: 'tickets', accessTokenFormat: 'jwt',
      accessTokenTTL: realm.life, jwt: { sign: { alg: 'RS256' } } });
    const provider = new Provider(`${this.origin}/realms/${this.name}`, {
      adapter: this.memory.adapter(),
      jwks: { keys: this.keys },
      clients: Object.keys(clients).map((id) => ({ client_id: id, client_secret: `${id}-secret`, redirect_uris: [], response_types: [],
        grant_types: ['client_credentials', 'refresh_token', 'password'] })),
      routes: { token: `${below}/token`, jwks: `${below}/certs`, introspection: `${below}/token/introspect`, revocation: `${below}/revoke` },
      scopes: ['openid', 'offline_access'],
      features: {
        devInteractions: { enabled: false }, clientCredentials: { enabled: true }, introspection: { enabled: true }, revocation: { enabled: true },
        resourceIndicators: { enabled: true, defaultResource: () => RESOURCE, useGrantedResource: () => true,
          getResourceServerInfo: (ctx, _uri, client) => resourceServer(client.clientId) },
      },
      formats: { customizers: { jwt: (_ctx, token, jwt) => {
        const roles = token.accountId ? people[token.accountId].roles : clients[token.clientId];
        jwt.header = { ...jwt.header, typ: 'JWT' };
        Object.assign(jwt.payload, { typ: 'Bearer', azp: token.clientId, realm_access: { roles },
          preferred_username: token.accountId || `service-account-${token.clientId}` });
      } } },
      findAccount: (_ctx, id) => (people[id] ? { accountId: id, claims: () => ({ sub: id }) } : undefined),
      ttl: { RefreshToken: OFFLINE_S, Grant: OFFLINE_S, IdToken: 300, AccessToken: () => realm.life, ClientCredentials: () => realm.life },
      rotateRefreshToken: this.rotates,
      issueRefreshToken: () => true,
    });
    // Keycloak's direct access grant: how an administrator mints an offline token.
    provider.registerGrantType('password', async (ctx) => {
      const { client, params } = ctx.oidc;
      if (people[params.username]?.password !== params.password) { ctx.status = 401; ctx.body = { error: 'invalid_grant' }; return; }
      const grant = new provider.Grant({ accountId: params.username, clientId: client.clientId });
      grant.addOIDCScope('openid offline_access'); grant.addResourceScope(RESOURCE, 'tickets');
      const token = new provider.RefreshToken({ accountId: params.username, client, grantId: await grant.save(), gty: 'password',
        scope: 'openid offline_access tickets', resource: RESOURCE, authTime: Math.floor(Date.now() / 1000) });
      ctx.body = { refresh_token: await token.save(), token_type: 'Bearer', refresh_expires_in: 0 };
    }, ['username', 'password']);
    provider.on('server_error', (_ctx, error) => console.error(error));
    this.answer = provider.callback();
  }
}

const realms = {};
const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://127.0.0.1'); const [, first, name] = url.pathname.split('/');
  if (first === 'control') {
    const realm = realms[url.searchParams.get('realm')];
    if (name === 'rotate') realm.rotate(url.searchParams.get('keep') === '1');
    if (name === 'token-life') realm.life = Number(url.searchParams.get('s'));
    response.end('{}'); return;
  }
  if (first !== 'realms' || !realms[name]) { response.writeHead(404); response.end('{}'); return; }
  request.originalUrl = request.url; request.url = request.url.slice(`/realms/${name}`.length);
  realms[name].answer(request, response);
});
server.listen(0, '127.0.0.1', () => {
  const origin = `http://127.0.0.1:${server.address().port}`;
  realms.lab = new Realm('lab', origin, false); realms.rotating = new Realm('rotating', origin, true); realms.other = new Realm('other', origin, false);
  console.log(JSON.stringify({ origin }));
});
// Whoever started us holds our standard input; when it is gone, so are we.
process.stdin.resume().on('end', () => process.exit(0));

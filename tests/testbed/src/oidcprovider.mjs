// An OpenID provider for tests: `oidc-provider` of npm as it comes, with its development pages to sign in at.
// Arguments: the module's path, the port, the client's id and secret, and the addresses that it may be sent back to.
const [module, port, client_id, client_secret, ...redirect_uris] = process.argv.slice(2);
const { Provider } = await import(module);

const claims = (sub) => ({ sub, name: `${sub} of Elsewhere`, preferred_username: sub, email: `${sub}@elsewhere.example`, email_verified: true });
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id, client_secret, redirect_uris }],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "preferred_username"] },
  // What the scopes ask for stands in the identity token, as at the large providers.
  conformIdTokenClaims: false,
  cookies: { keys: ["for tests alone"] },
  pkce: { required: () => true },
  findAccount: (_, sub) => ({ accountId: sub, claims: () => claims(sub) }),
});
provider.listen(Number(port), "127.0.0.1");

//! The product, running, in one of its two shapes, with every process in reach to be hurt.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    net::SocketAddr,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::json;
use tertulia_testbed::{
    Server, Testbed, consul,
    nginx::{self, Nginx},
    oidcprovider,
    program::{self, Program},
    rabbitmq, redis, secantusdb, smtp,
};

use tertulia_client::{Api, Trust};
use tertulia_contracts::auth::SignedIn;

use crate::ways::Ways;

/// How the product is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// `tertulia up`: one process on embedded back ends.
    Single,
    /// Two gateways and two of each service as processes of their own, over real servers.
    Split,
}

/// How its processes reach the servers they stand on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Straight.
    Plain,
    /// By [`Ways`] that can be cut.
    Hurtable,
}

/// A running product. Dropping it ends every process and removes every file.
pub struct System {
    /// Which shape it has.
    pub topology: Topology,
    /// Where its gateways are.
    pub gateways: Vec<SocketAddr>,
    front: Option<Front>,
    /// The product's own processes by name: `tertulia`, or `gateway-1`, `messaging-2` and so on.
    pub processes: BTreeMap<String, Server>,
    /// The servers it stands on, by name, and where people have accounts elsewhere.
    pub back_ends: BTreeMap<&'static str, Server>,
    ways: Option<Ways>,
    numbers: AtomicU32,
    bed: Testbed,
}

const SPLIT: [(&str, usize); 4] = [("auth", 2), ("messaging", 2), ("realtime", 2), ("gateway", 2)];

/// What each process of the split system stands on: name, adapter, and the keys of its configuration.
const BACK_ENDS: [(&str, &str, &str, &str); 4] = [
    ("documents", "mongodb", "TERTULIA_DOCUMENTS__BACKEND", "TERTULIA_DOCUMENTS__MONGODB_URL"),
    ("bus", "rabbitmq", "TERTULIA_BUS__BACKEND", "TERTULIA_BUS__RABBITMQ_URL"),
    ("cache", "redis", "TERTULIA_CACHE__BACKEND", "TERTULIA_CACHE__REDIS_URL"),
    ("discovery", "consul", "TERTULIA_DISCOVERY__BACKEND", "TERTULIA_DISCOVERY__CONSUL_URL"),
];

/// Where people have accounts elsewhere, in both shapes. It is in nobody's way, so no story cuts it off.
const OPENID: &str = "openid";
/// How the split system's clients would reach it, had they a name service.
const SPLIT_URL: &str = "https://chat.example";

/// Whoever runs the instance.
const OPERATOR: &str = "keeper";
const PASSWORD: &str = "correct horse battery staple";

/// The server that takes mails. It is in nobody's way, so no story cuts it off.
pub(crate) const MAIL: &str = "mail";

/// What stands before the gateways, and that it is believed.
struct Front {
    nginx: Nginx,
    trust: Trust,
}

type Environment = Vec<(&'static str, OsString)>;

impl System {
    /// Starts the product in this shape and waits until all of it is ready.
    pub async fn start(topology: Topology, network: Network) -> Result<Self> {
        let bed = Testbed::new()?;
        let ways = match (topology, network) {
            (Topology::Split, Network::Hurtable) => Some(Ways::start(&bed).await?),
            _ => None,
        };
        let mut system = Self {
            topology,
            gateways: Vec::new(),
            front: None,
            processes: BTreeMap::new(),
            back_ends: BTreeMap::new(),
            ways,
            numbers: AtomicU32::new(1),
            bed,
        };
        match topology {
            Topology::Single => system.start_single().await?,
            Topology::Split => system.start_split().await?,
        }
        let nginx = nginx::start(&system.bed, &system.gateways).await?;
        let trust = Trust::only(&nginx.certificate).context("trusting Nginx")?;
        system.front = Some(Front { nginx, trust });
        Ok(system)
    }

    /// A process of the product by name.
    pub fn process(&mut self, name: &str) -> Result<&mut Server> {
        self.processes.get_mut(name).with_context(|| format!("there is no process {name}"))
    }

    /// Kills all of these processes with -9, and starts them again when all are dead.
    pub async fn kill_and_start_again(&mut self, which: impl Fn(&str) -> bool) -> Result<()> {
        let names: Vec<String> = self.processes.keys().filter(|name| which(name)).cloned().collect();
        ensure!(!names.is_empty(), "there is nobody to kill");
        for name in &names {
            self.process(name)?.kill().await.with_context(|| format!("killing {name}"))?;
        }
        for name in &names {
            self.process(name)?.start_again().await.with_context(|| format!("starting {name} again"))?;
        }
        Ok(())
    }

    /// The ways to its servers.
    pub fn ways(&self) -> Result<&Ways> {
        self.ways.as_ref().context("this system stands on no servers that it could be cut off from")
    }

    /// Every way in, beginning with the n-th: each gateway, and then Nginx before them all; they are counted around, so any
    /// number will do.
    pub fn gateways_from(&self, n: usize) -> Vec<String> {
        let gateways = self.gateways.iter().map(|address| format!("http://{address}"));
        let mut ways: Vec<String> = gateways.chain([self.front().nginx.server.url().to_owned()]).collect();
        let first = n % ways.len();
        ways.rotate_left(first);
        ways
    }

    /// Nobody yet, by one of these ways.
    pub fn stranger(&self, way_in: &str) -> Result<Api> {
        Ok(Api::trusting(way_in, &self.front().trust)?)
    }

    /// The secret of the link by which the operator's account is made, as the product printed it when it started.
    pub fn setup_token(&self) -> Result<String> {
        for process in self.processes.values() {
            let log =
                std::fs::read_to_string(process.log_path()).context("reading what the product printed")?;
            if let Some(token) = log.lines().find_map(|line| Some(line.split_once("/setup#")?.1.trim())) {
                return Ok(token.to_owned());
            }
        }
        anyhow::bail!("no setup link was printed")
    }

    /// The operator, whose account is made by whoever asks first.
    pub async fn operator(&self) -> Result<Api> {
        let api = self.stranger(&self.gateways_from(0)[0])?;
        let wish = json!({"handle": OPERATOR, "password": PASSWORD, "setup_token": self.setup_token()?});
        match api.send::<_, SignedIn>(Method::POST, "/v1/accounts", Some(&wish)).await {
            Ok(operator) => Ok(api.with_token(&operator.access_token)),
            Err(error) if matches!(error.code(), Some("setup_link_invalid" | "handle_taken")) => {
                api.sign_in(OPERATOR, PASSWORD).await.context("the operator signs in")?;
                Ok(api)
            }
            Err(error) => Err(error).context("making the operator's account"),
        }
    }

    /// Nginx, which speaks without TLS at its [address](Server::address).
    pub fn nginx(&self) -> &Server {
        &self.front().nginx.server
    }

    /// Whom its clients trust: itself.
    pub fn trust(&self) -> &Trust {
        &self.front().trust
    }

    /// The certificate that it shows, in PEM.
    pub fn certificate(&self) -> &str {
        &self.front().nginx.certificate
    }

    fn front(&self) -> &Front {
        self.front.as_ref().expect("it is started with the system")
    }

    /// Never the same twice, for names that must be free.
    pub fn next_number(&self) -> u32 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    async fn start_single(&mut self) -> Result<()> {
        let listen = self.bed.free_address()?;
        let data = self.bed.folder().join("data");
        let arguments =
            vec!["up".into(), "--data".into(), data.into(), "--listen".into(), listen.to_string().into()];
        let provider = oidcprovider::start(&self.bed, &[callback(&format!("http://{listen}"))]).await?;
        let environment = vec![openid(&provider), behind_nginx()];
        self.back_ends.insert(OPENID, provider);
        self.run("tertulia".to_owned(), arguments, environment, listen).await?;
        self.gateways.push(listen);
        Ok(())
    }

    async fn start_split(&mut self) -> Result<()> {
        let bed = self.bed.clone();
        let sent_back_to = [callback(SPLIT_URL)];
        let (documents, bus, cache, discovery, mail, provider) = tokio::try_join!(
            secantusdb::start(&bed),
            rabbitmq::start(&bed),
            redis::start(&bed),
            consul::start(&bed),
            smtp::start(&bed),
            oidcprovider::start(&bed, &sent_back_to),
        )?;
        self.back_ends.extend([
            ("documents", documents),
            ("bus", bus),
            ("cache", cache),
            ("discovery", discovery),
            (MAIL, mail),
            (OPENID, provider),
        ]);
        for (role, instances) in SPLIT {
            for instance in 1..=instances {
                self.serve(role, instance).await?;
            }
        }
        Ok(())
    }

    async fn serve(&mut self, role: &str, instance: usize) -> Result<()> {
        let name = format!("{role}-{instance}");
        let environment = self.environment(&name).await?;
        let mesh = self.bed.free_address()?;
        let mut arguments: Vec<OsString> =
            vec!["serve".into(), role.into(), "--mesh-listen".into(), mesh.to_string().into()];
        if role == "gateway" {
            let listen = self.bed.free_address()?;
            arguments.extend(["--listen".into(), listen.to_string().into()]);
            self.gateways.push(listen);
        }
        self.run(name, arguments, environment, mesh).await
    }

    /// How a process of the split system is told where its servers are.
    async fn environment(&mut self, process: &str) -> Result<Environment> {
        let mut environment = Vec::new();
        for (name, adapter, backend_key, url_key) in BACK_ENDS {
            let server = self.back_ends.get(name).with_context(|| format!("{name} is not running"))?;
            let mut url = server.url().to_owned();
            if let Some(ways) = &mut self.ways {
                let way = ways.open(process, name, server.address()).await?;
                url = url.replace(&server.address().to_string(), &way.to_string());
            }
            if name == "documents" {
                // A replica set tells its clients where it is, and they would go there straight.
                url += "/?directConnection=true";
            }
            environment.extend([(backend_key, adapter.into()), (url_key, url.into())]);
        }
        let mail = self.back_ends.get(MAIL).context("no server takes mails")?;
        environment.extend([
            ("TERTULIA_MAIL__BACKEND", "smtp".into()),
            ("TERTULIA_MAIL__SMTP_URL", mail.url().into()),
            ("TERTULIA_MAIL__FROM", "Tertulia <tertulia@chat.example>".into()),
            ("TERTULIA_NODE__PUBLIC_URL", SPLIT_URL.into()),
        ]);
        let provider = self.back_ends.get(OPENID).context("no provider knows anybody")?;
        environment.extend([openid(provider), behind_nginx()]);
        Ok(environment)
    }

    async fn run(
        &mut self,
        name: String,
        arguments: Vec<OsString>,
        mut environment: Environment,
        health: SocketAddr,
    ) -> Result<()> {
        // What a second look at an erased account is for takes less time here.
        environment.extend([
            ("TERTULIA_AUTH__SECOND_LOOK_MS", "2000".into()),
            ("TERTULIA_MESSAGING__SECOND_LOOK_MS", "2000".into()),
        ]);
        // A write beyond a limit on its files is an error for it, as on a full disk, and not its end.
        let script = "trap '' XFSZ; exec \"$0\" \"$@\"";
        let arguments = ["-c".into(), script.into(), binary()?.into()].into_iter().chain(arguments).collect();
        let path = "/bin/sh".into();
        let program = Program { name: name.clone(), path, arguments, environment, health };
        let server = program::start(&self.bed, program).await.with_context(|| format!("starting {name}"))?;
        self.processes.insert(name, server);
        Ok(())
    }
}

/// Where a provider sends people back to.
fn callback(public_url: &str) -> String {
    format!("{public_url}/openid/callback")
}

/// How a gateway is told who stands before it.
fn behind_nginx() -> (&'static str, OsString) {
    ("TERTULIA_GATEWAY__TRUSTED_PROXIES", "[\"127.0.0.1\"]".into())
}

/// How a process is told of the provider.
fn openid(provider: &Server) -> (&'static str, OsString) {
    let (issuer, id, secret) = (provider.url(), oidcprovider::CLIENT_ID, oidcprovider::CLIENT_SECRET);
    let list = format!(
        "[{{id = \"elsewhere\", name = \"Elsewhere\", issuer = \"{issuer}\", client_id = \"{id}\", client_secret = \"{secret}\"}}]"
    );
    ("TERTULIA_AUTH__OPENID", list.into())
}

/// The product's binary, which stands beside what runs this.
fn binary() -> Result<PathBuf> {
    let running = std::env::current_exe().context("finding this program")?;
    let folders = running.ancestors().skip(1);
    let found = folders.map(|folder| folder.join("tertulia")).find(|path| path.is_file());
    found.with_context(|| {
        format!("no binary `tertulia` beside {}: cargo build -p tertulia", running.display())
    })
}

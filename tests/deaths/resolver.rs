//! A name server that does not answer, while supervisors die: whoever adopts living workers asks nobody.

use std::fs;
use std::net::UdpSocket;
use std::sync::Arc;

use hbd_tests::daemon::Daemon;
use hbd_tests::error::{Error, file};
use hbd_tests::namespaces::Namespace;
use hbd_tests::scratch::{self, Scratch};
use hbd_tests::wait;
use nix::sys::signal::Signal::SIGKILL;
use shared::event::Kind;

use crate::hammer::answered;
use crate::pair::{BOB, BOOT, SOON, demand};

const DNS: u16 = 53;
/// Longer than an answer may take, by far: glibc waits so long for a name server.
const RESOLVER: &str = "nameserver 127.0.0.1\noptions timeout:5 attempts:1\n";
const HOSTS: &str = "127.0.0.1 localhost\n";

/// Fields are dropped in this order.
struct Stage {
    bob: Daemon,
    /// Hears questions and says nothing.
    _name_server: UdpSocket,
    _network: Arc<Namespace>,
    directory: Scratch,
}

pub(crate) fn play() -> Result<(), Error> {
    let mut stage = Stage::new()?;
    let played = stage.play();
    played.map_err(|error| Error::Unexpected(format!("{error}\n{}", stage.bob.log())))
}

impl Stage {
    fn new() -> Result<Self, Error> {
        let network = Arc::new(Namespace::new()?);
        let name_server = network.udp_socket(DNS)?;
        let directory = Scratch::new()?;
        let config = directory.directory("config")?;
        let etc = directory.directory("etc")?;
        let bob = Daemon::new(BOB, &network, &config)?.with_resolver(&etc);
        let stage = Self {
            bob,
            _name_server: name_server,
            _network: network,
            directory,
        };
        stage.write("etc/resolv.conf", RESOLVER)?;
        stage.write("etc/hosts", &format!("{HOSTS}127.0.0.2 alice\n"))?;
        stage.configure("alice")?;
        let keys = config.join("authkeys");
        scratch::write_secret(&keys, "auth 1\n1 sha1 resolver-key\n")?;
        Ok(stage)
    }

    fn play(&mut self) -> Result<(), Error> {
        self.bob.start()?;
        wait::until_true(SOON, "bob has a core that beats", || {
            Ok(self.bob.view()?.started.is_some())
        })?;
        let core = self.bob.core()?;
        self.write("etc/hosts", HOSTS)?;
        self.supervisor_dies()?;
        demand(self.bob.core()? == core, "the core lives on")?;
        self.core_dies_too()?;
        self.another_name()
    }

    fn supervisor_dies(&self) -> Result<(), Error> {
        let former = self.bob.signal("supervisor", SIGKILL)?;
        answered(&self.bob)?;
        demand(
            self.bob.supervisor_pid()? != former,
            "that is another supervisor",
        )
    }

    /// The core that follows is not started by whoever waits for a name server either.
    fn core_dies_too(&self) -> Result<(), Error> {
        let core = self.bob.core()?;
        self.bob.signal("supervisor", SIGKILL)?;
        self.bob.signal("core", SIGKILL)?;
        answered(&self.bob)?;
        demand(self.bob.core()? != core, "that is another core")
    }

    /// A name that is on the disk only waits for the name server; hbd does not.
    fn another_name(&self) -> Result<(), Error> {
        let core = self.bob.core()?;
        self.configure("carol")?;
        self.supervisor_dies()?;
        let refused = |events: &[shared::event::Event]| {
            events.iter().any(|event| match &event.kind {
                Kind::ConfigRefused { reasons } => reasons.iter().any(|r| r.contains("carol")),
                _ => false,
            })
        };
        demand(
            !refused(&self.bob.events()?),
            "nobody waited for the name server",
        )?;
        wait::until_true(BOOT, "the configuration on the disk is refused", || {
            Ok(refused(&self.bob.events()?))
        })?;
        demand(self.bob.core()? == core, "the core lives on")
    }

    fn configure(&self, peer: &str) -> Result<(), Error> {
        let ha_cf = format!(
            "realtime off\nkeepalive 500ms\ndeadtime 5\ninitdead 10\nucast lo {peer}\n\
             listen 127.0.0.3\nnode {BOB} {peer}\n"
        );
        self.write("config/ha.cf", &ha_cf)
    }

    fn write(&self, path: &str, content: &str) -> Result<(), Error> {
        let path = self.directory.path().join(path);
        file(
            format!("write {}", path.display()),
            fs::write(&path, content),
        )
    }
}

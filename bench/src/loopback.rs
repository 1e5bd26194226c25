//! The ceiling of a fan-out: a server in a process of its own that knows nothing and writes the same bytes.

use std::{io::Read as _, net::SocketAddr, path::PathBuf, process::Stdio, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdin, Command},
    task::JoinSet,
};

use crate::wire::{Ear, server_frame};

/// What the bare server writes.
#[derive(Debug, Clone, Args)]
pub(crate) struct LoopbackArgs {
    /// A file with the payload of one frame.
    #[arg(long)]
    pub payload: PathBuf,
    /// How many sockets it waits for.
    #[arg(long)]
    pub sockets: usize,
    /// Frames of one write.
    #[arg(long)]
    pub frames_per_write: usize,
    /// Writes to each socket.
    #[arg(long)]
    pub writes: usize,
}

/// Is the server: says where it listens, waits for its sockets and for a byte, writes, and leaves when nobody
/// holds its input open any more.
pub(crate) async fn serve(args: &LoopbackArgs) -> Result<()> {
    let payload = std::fs::read(&args.payload)?;
    let chunk: Arc<[u8]> = server_frame(&payload).repeat(args.frames_per_write).into();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?);
    let mut streams = Vec::with_capacity(args.sockets);
    while streams.len() < args.sockets {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    ensure!(byte_of_input().await?, "nobody said go");
    let mut tasks = JoinSet::new();
    for mut stream in streams {
        let (chunk, writes) = (chunk.clone(), args.writes);
        tasks.spawn(async move {
            for _ in 0..writes {
                stream.write_all(&chunk).await?;
            }
            Ok::<_, std::io::Error>(stream)
        });
    }
    let mut open = Vec::with_capacity(args.sockets);
    while let Some(written) = tasks.join_next().await {
        open.push(written.context("a writer panicked")??);
    }
    byte_of_input().await?;
    Ok(())
}

/// Waits for a byte of input; false at its end.
async fn byte_of_input() -> Result<bool> {
    let read = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
    Ok(read.await.context("reading the input panicked")?? == 1)
}

/// The server as a child, with its sockets connected.
pub(crate) struct Loopback {
    _child: Child,
    input: ChildStdin,
    /// One for each of its sockets.
    pub ears: Vec<Ear>,
}

impl Loopback {
    /// Starts it and connects to it.
    pub(crate) async fn start(args: &LoopbackArgs) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("loopback").arg("--payload").arg(&args.payload);
        for (flag, value) in [
            ("--sockets", args.sockets),
            ("--frames-per-write", args.frames_per_write),
            ("--writes", args.writes),
        ] {
            command.args([flag, &value.to_string()]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("starting the bare server")?;
        let input = child.stdin.take().context("no input")?;
        let output = child.stdout.take().context("no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).await?;
        let address: SocketAddr = line.trim().parse().context("the bare server said no address")?;
        let mut ears = Vec::with_capacity(args.sockets);
        for _ in 0..args.sockets {
            ears.push(Ear::new(TcpStream::connect(address).await?.into_split().0));
        }
        Ok(Self { _child: child, input, ears })
    }

    /// Has it write.
    pub(crate) async fn go(&mut self) -> Result<()> {
        self.input.write_all(b"!").await?;
        Ok(self.input.flush().await?)
    }
}

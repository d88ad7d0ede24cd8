//! Bytes between kjo and an API server, and what can happen to them on the way.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// How a connection ends after so many bytes from the server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Break {
    /// With an RST, which throws away what is under way.
    Reset(u64),
    /// With a FIN, in however good order that looks.
    Finish(u64),
}

/// Decides how the n-th connection ends.
pub(crate) type Draw = dyn Fn(u64) -> Option<Break> + Send + Sync;

/// What holds for connections now.
#[derive(Debug, Clone, Copy, Default)]
struct Order {
    /// Connections older than this are reset.
    reset_before: u64,
    /// On connections older than this nothing is passed on.
    stalled_before: u64,
    /// New connections are reset at once.
    refuse: bool,
}

/// The proxy; it ends, with all its connections, when it is dropped.
pub(crate) struct Tcp {
    pub(crate) port: u16,
    order: watch::Sender<Order>,
    /// Connections so far.
    count: Arc<AtomicU64>,
    server: JoinHandle<()>,
}

impl Tcp {
    /// Listens on a free port, and passes everything on to this server.
    pub(crate) async fn start(upstream: SocketAddr, draw: Arc<Draw>) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let port = listener.local_addr()?.port();
        let (order, orders) = watch::channel(Order::default());
        let count = Arc::new(AtomicU64::new(0));
        let server = tokio::spawn(serve(listener, upstream, draw, orders, Arc::clone(&count)));
        Ok(Self {
            port,
            order,
            count,
            server,
        })
    }

    /// Resets all connections.
    pub(crate) fn reset_all(&self) {
        let count = self.count.load(Ordering::SeqCst);
        self.order.send_modify(|order| order.reset_before = count);
    }

    /// Passes nothing on any more on the connections that there are; new ones work. As a firewall does
    /// that has forgotten its flows.
    pub(crate) fn stall_all(&self) {
        let count = self.count.load(Ordering::SeqCst);
        self.order.send_modify(|order| order.stalled_before = count);
    }

    /// Passes nothing on, on any connection, until the next call.
    pub(crate) fn stall(&self, yes: bool) {
        self.order
            .send_modify(|order| order.stalled_before = if yes { u64::MAX } else { 0 });
    }

    /// Resets new connections at once, until the next call.
    pub(crate) fn refuse(&self, yes: bool) {
        self.order.send_modify(|order| order.refuse = yes);
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(
    listener: TcpListener,
    upstream: SocketAddr,
    draw: Arc<Draw>,
    orders: watch::Receiver<Order>,
    count: Arc<AtomicU64>,
) {
    // Dropping the set ends every connection.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let number = count.fetch_add(1, Ordering::SeqCst);
        if orders.borrow().refuse {
            abort(&stream);
            continue;
        }
        connections.spawn(connection(stream, upstream, number, draw(number), orders.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Closing it sends an RST.
fn abort(stream: &TcpStream) {
    // A connection that is gone already needs none.
    drop(stream.set_zero_linger());
}

async fn connection(
    mut near: TcpStream,
    upstream: SocketAddr,
    number: u64,
    ends: Option<Break>,
    mut orders: watch::Receiver<Order>,
) {
    let Ok(mut far) = TcpStream::connect(upstream).await else {
        return abort(&near);
    };
    drop((near.set_nodelay(true), far.set_nodelay(true)));
    let (held_up, held_down) = (orders.clone(), orders.clone());
    let reset = orders.wait_for(|order| number < order.reset_before);
    let limit = match ends {
        Some(Break::Reset(bytes) | Break::Finish(bytes)) => bytes,
        None => u64::MAX,
    };
    let kept = {
        let (mut near_read, mut near_write) = near.split();
        let (mut far_read, mut far_write) = far.split();
        let passing = async {
            let up = pass(&mut near_read, &mut far_write, u64::MAX, number, held_up);
            let down = pass(&mut far_read, &mut near_write, limit, number, held_down);
            tokio::select! {
                biased;
                // The server has said all, or as much as it may say.
                down = down => down,
                up = up => up,
            }
        };
        tokio::select! {
            ended = passing => ended.is_ok() && !matches!(ends, Some(Break::Reset(_))),
            _ = reset => false,
        }
    };
    if !kept {
        abort(&near);
    }
}

/// Passes bytes on until their end, or so many.
async fn pass(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    mut left: u64,
    number: u64,
    mut orders: watch::Receiver<Order>,
) -> io::Result<()> {
    let mut piece = vec![0; 64 * 1024];
    while left > 0 {
        let read = from.read(&mut piece).await?;
        let read = usize::try_from(left).unwrap_or(usize::MAX).min(read);
        if read == 0 {
            break;
        }
        left -= read as u64;
        // The proxy's end is the connection's.
        drop(orders.wait_for(|order| number >= order.stalled_before).await);
        to.write_all(piece.get(..read).unwrap_or_default()).await?;
    }
    to.shutdown().await
}

//! A pipeline that does nothing by itself: the test takes frames out of the inbox and decides what is committed.

use linli::clock::{SharedClock, SystemClock};
use linli::field::{AckTicket, Done, Frame, ModbusFrame, MqttFrame};
use linli::metrics::Metrics;
use linli::pipeline::{Arrival, Door, Request, open};
use linli_domain::reading::Value;
use linli_ledger::RetainedRow;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

/// Longer than anything here takes on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How long "nothing happens" is watched.
pub(crate) const A_WHILE: Duration = Duration::from_millis(400);

pub(crate) struct Pipeline {
    pub(crate) door: Door,
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Arc<Metrics>,
    frames: mpsc::UnboundedReceiver<Frame>,
    facts: Vec<(String, Value)>,
    acks: mpsc::UnboundedSender<Vec<AckTicket>>,
    pub(crate) tickets: Option<mpsc::UnboundedReceiver<Vec<AckTicket>>>,
    /// What was asked to be retained; answered as stored.
    pub(crate) retained: Arc<Mutex<Vec<RetainedRow>>>,
}

impl Pipeline {
    pub(crate) fn start() -> Self {
        // Printed by the test runner when a test fails.
        let _ = tracing_subscriber::fmt()
            .with_test_writer()
            .with_env_filter("info,linli=debug")
            .try_init();
        let (acks, tickets) = mpsc::unbounded_channel();
        let (door, inbox) = open(vec![acks.clone()]);
        let (sender, frames) = mpsc::unbounded_channel();
        let retained = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&retained);
        // Ends when the last door is gone.
        std::thread::spawn(move || {
            while let Ok(arrival) = inbox.arrivals.recv() {
                match arrival {
                    Arrival::Frames(frames, _space) => {
                        for frame in frames {
                            let _ = sender.send(frame);
                        }
                    }
                    Arrival::Request(Request::Retained(row, reply), _) => {
                        kept.lock().unwrap().push(row);
                        let _ = reply.send(Ok(()));
                    }
                    _ => {}
                }
            }
        });
        Self {
            door,
            clock: Arc::new(SystemClock::new()),
            metrics: Metrics::new().unwrap(),
            frames,
            facts: Vec::new(),
            acks,
            tickets: Some(tickets),
            retained,
        }
    }

    /// The next frame that is not a fact; facts are remembered.
    async fn next(&mut self) -> Frame {
        loop {
            match within("a frame", self.frames.recv())
                .await
                .expect("the door is open")
            {
                Frame::Fact(fact) => self.facts.push((fact.measure.name().to_owned(), fact.value)),
                frame => return frame,
            }
        }
    }

    pub(crate) async fn message(&mut self) -> MqttFrame {
        match self.next().await {
            Frame::Mqtt(message) => message,
            other => panic!("a message was expected, not {other:?}"),
        }
    }

    pub(crate) async fn answer(&mut self) -> ModbusFrame {
        match self.next().await {
            Frame::Modbus(answer) => answer,
            other => panic!("an answer was expected, not {other:?}"),
        }
    }

    /// Waits for a fact; messages that come meanwhile are a mistake of the test.
    pub(crate) async fn fact(&mut self, measure: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            if let Some(at) = self.facts.iter().position(|(m, v)| m == measure && wanted(v)) {
                return self.facts.remove(at).1;
            }
            match within(measure, self.frames.recv())
                .await
                .expect("the door is open")
            {
                Frame::Fact(fact) => self.facts.push((fact.measure.name().to_owned(), fact.value)),
                other => panic!("{measure} was expected, not {other:?}"),
            }
        }
    }

    pub(crate) async fn state(&mut self, measure: &str, value: bool) {
        self.fact(measure, |v| *v == Value::State(value)).await;
    }

    /// Nothing but facts comes for a while.
    pub(crate) async fn stays_silent(&mut self) {
        if let Ok(frame) = tokio::time::timeout(A_WHILE, self.next()).await {
            panic!("nothing was expected, not {frame:?}");
        }
    }

    /// From now on everything is committed at once. Payloads in the order they came.
    pub(crate) fn commit_everything(mut self) -> Arc<Mutex<Vec<String>>> {
        let taken: Arc<Mutex<Vec<String>>> = Arc::default();
        let all = Arc::clone(&taken);
        tokio::spawn(async move {
            while let Some(frame) = self.frames.recv().await {
                if let Frame::Mqtt(message) = frame {
                    let payload = String::from_utf8_lossy(&message.payload).into_owned();
                    all.lock().unwrap().push(payload);
                    if let Done::Waiting(client) = message.done {
                        let _ = client.send(true);
                    }
                }
            }
        });
        taken
    }

    /// What happens after a commit.
    pub(crate) fn committed(&self, message: MqttFrame) {
        match message.done {
            Done::Ack(ticket) => self.acknowledge(ticket),
            Done::Waiting(client) => client.send(true).expect("the client waits"),
            Done::Nothing => {}
        }
    }

    pub(crate) fn acknowledge(&self, ticket: AckTicket) {
        self.acks
            .send(vec![ticket])
            .expect("the connection takes acknowledgements");
    }
}

/// The ticket of a message.
pub(crate) fn ticket(message: &MqttFrame) -> AckTicket {
    match message.done {
        Done::Ack(ticket) => ticket,
        ref other => panic!("a ticket was expected, not {other:?}"),
    }
}

/// Waits with patience; says for what when it runs out.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} for {what} in vain"),
    }
}

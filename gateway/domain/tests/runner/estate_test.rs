//! The helper every story is told with: an engine, a clock and the words of the domain. It holds the API, so a
//! change of the API edits this file and no story.

use linli_domain::Engine;
use linli_domain::alarm::Alarm;
use linli_domain::command::{Action, Actor, ActorRole, Command, Refusal, Reply};
use linli_domain::engine::{
    Arrival, Changes, DeviceHealth, DeviceNews, Input, Notice, NoticeKind, PointDef, Step, Taken,
};
use linli_domain::estate::EstateDoc;
use linli_domain::health::Freshness;
use linli_domain::id::{DeviceId, OrderId, PointKey};
use linli_domain::order::{Order, OverrideReason};
use linli_domain::reading::{Quality, Reading, Reason, Value};
use linli_domain::time::{BootId, Monotonic, Now, Timestamp, duration_text};
use std::sync::Arc;
use std::time::Duration;

pub(crate) const ESTATE: &str = include_str!("estate.toml");

pub(crate) fn doc(toml: &str) -> Arc<EstateDoc> {
    Arc::new(toml::from_str(toml).unwrap())
}

pub(crate) fn actor(name: &str, role: ActorRole) -> Actor {
    Actor {
        token: format!("token-{name}").into(),
        name: name.into(),
        role,
    }
}

pub(crate) struct EstateTest {
    pub(crate) engine: Engine,
    pub(crate) now: Now,
    pub(crate) changes: Changes,
    /// Everything that was put in, for replay.
    pub(crate) log: Vec<(Now, Input)>,
}

impl EstateTest {
    /// The usual estate, at three in the night.
    pub(crate) fn new() -> Self {
        Self::with(ESTATE)
    }
    pub(crate) fn with(toml: &str) -> Self {
        let mut test = Self {
            engine: Engine::new(doc(toml)).unwrap(),
            now: Now {
                wall: Timestamp::parse_rfc3339("2026-03-01T03:00:00+08:00").unwrap(),
                monotonic: Monotonic(1_000_000),
                boot: BootId(1),
                trusted: true,
            },
            changes: Changes::default(),
            log: Vec::new(),
        };
        test.input(Input::Started).reply.unwrap();
        test
    }
    pub(crate) fn input(&mut self, input: Input) -> Step {
        let step = self.engine.step(&self.now, &input);
        self.log.push((self.now, input));
        self.changes.append(step.changes.clone());
        step
    }
    /// Time passes; the engine is woken whenever it asked to be.
    pub(crate) fn wait(&mut self, text: &str) -> &mut Self {
        let end = self.now.monotonic.plus(duration_text::parse(text).unwrap());
        while let Some(wake) = self.engine.next_wake().filter(|w| w.at <= end) {
            self.pass(wake.at.since(self.now.monotonic));
            self.input(Input::Tick).reply.unwrap();
            assert!(
                self.engine.next_wake().is_none_or(|next| next > wake),
                "the engine asks to be woken at a time that is over"
            );
        }
        self.pass(end.since(self.now.monotonic));
        self
    }
    fn pass(&mut self, duration: Duration) {
        self.now.monotonic = self.now.monotonic.plus(duration);
        self.now.wall = self.now.wall.plus(duration);
    }
    /// The machine restarts; the engine comes back from its snapshot.
    pub(crate) fn reboot(&mut self, off: &str) -> &mut Self {
        self.input(Input::Tick).reply.unwrap();
        let before = self.engine.dump();
        self.engine = Engine::restore(&self.engine.snapshot().unwrap()).unwrap();
        assert_eq!(self.engine.dump(), before);
        self.now.wall = self.now.wall.plus(duration_text::parse(off).unwrap());
        self.now.monotonic = Monotonic(500);
        self.now.boot.0 += 1;
        self.input(Input::Started).reply.unwrap();
        self
    }
    /// The point of `device/measure` or `device/measure/instance`, added when it is new.
    pub(crate) fn point(&mut self, name: &str) -> PointKey {
        let mut parts = name.splitn(3, '/');
        let device: DeviceId = parts.next().unwrap().parse().unwrap();
        let measure = parts.next().unwrap().parse().unwrap();
        let instance = parts.next();
        let index = self.engine.estate().device_by_id(&device).unwrap();
        if let Some(key) = self.engine.point_of(index, measure, instance) {
            return key;
        }
        let def = PointDef {
            key: self.engine.next_point_key(),
            device,
            measure,
            instance: instance.map(Arc::from),
        };
        match self.input(Input::Point(def)).reply {
            Ok(Reply::Point(key)) => key,
            other => panic!("{other:?}"),
        }
    }
    /// A reading with everything said: how old it is, how good; whether it was evaluated.
    pub(crate) fn reads(&mut self, point: &str, value: Value, age: &str, quality: Quality) -> bool {
        let point = self.point(point);
        let observed = self.now.wall.minus(duration_text::parse(age).unwrap());
        let step = self.input(Input::Reading(Reading::new(
            point,
            observed,
            self.now.wall,
            value,
            quality,
        )));
        step.reply.as_ref().unwrap();
        step.evaluated()
    }
    /// A good state, seen just now.
    pub(crate) fn says(&mut self, point: &str, state: bool) -> &mut Self {
        assert!(self.reads(point, Value::State(state), "0s", Quality::Good));
        self
    }
    /// A good number, seen just now.
    pub(crate) fn shows(&mut self, point: &str, number: f64) -> &mut Self {
        assert!(self.reads(point, Value::Number(number), "0s", Quality::Good));
        self
    }
    /// A reading without a value.
    pub(crate) fn fails(&mut self, point: &str, reason: Reason) -> &mut Self {
        self.reads(point, Value::State(false), "0s", Quality::Bad(reason));
        self
    }
    /// A record the device had stored, of so long ago.
    pub(crate) fn recalls(&mut self, point: &str, value: Value, age: &str) -> Taken {
        let point = self.point(point);
        let observed = self.now.wall.minus(duration_text::parse(age).unwrap());
        let record = Reading::new(point, observed, self.now.wall, value, Quality::Good);
        let (now, changes) = (self.now, &mut self.changes);
        self.engine
            .step_reading(&now, &record, Arrival::Stored, changes)
            .unwrap()
    }
    /// Something is known about a device beside its readings.
    pub(crate) fn news(&mut self, device: &str, news: DeviceNews) -> &mut Self {
        let (device, received) = (device.parse().unwrap(), self.now.wall);
        let input = Input::Device {
            device,
            received,
            news,
        };
        self.input(input).reply.unwrap();
        self
    }
    /// A live message carries the time of a device that is ahead by so many milliseconds.
    pub(crate) fn tells_time(&mut self, device: &str, ahead_ms: i64) -> &mut Self {
        let said = Timestamp::from_millis(self.now.wall.as_millis() + ahead_ms);
        let index = self
            .engine
            .estate()
            .device_by_id(&device.parse().unwrap())
            .unwrap();
        if self.engine.wants_clock(index, said, self.now.wall) {
            self.news(device, DeviceNews::Clock(said));
        }
        self
    }
    pub(crate) fn bridge(&mut self, name: &str, up: bool, retained: bool) -> &mut Self {
        let bridge = name.into();
        self.input(Input::Bridge { bridge, up, retained });
        self
    }
    pub(crate) fn health(&self, device: &str) -> DeviceHealth {
        let index = self
            .engine
            .estate()
            .device_by_id(&device.parse().unwrap())
            .unwrap();
        self.engine.device_health(index, &self.now).unwrap()
    }
    /// Names of the flags of a device, each once.
    pub(crate) fn flags(&self, device: &str) -> String {
        let mut names: Vec<&str> = self.health(device).flags.iter().map(|f| f.kind.name()).collect();
        names.dedup();
        names.join(" ")
    }
    pub(crate) fn freshness(&mut self, point: &str) -> Freshness {
        let key = self.point(point);
        self.engine.point_freshness(key, &self.now)
    }
    /// The same good state every half minute.
    pub(crate) fn keeps_saying(&mut self, point: &str, state: bool, how_long: &str) -> &mut Self {
        let end = self.now.monotonic.plus(duration_text::parse(how_long).unwrap());
        while self.now.monotonic < end {
            self.wait("30s").says(point, state);
        }
        self
    }
    pub(crate) fn act(&mut self, actor: Actor, action: Action) -> Result<Reply, Refusal> {
        self.input(Input::Command(Command { actor, action })).reply
    }
    pub(crate) fn accept(&mut self, who: &str) -> &mut Self {
        let (order, version) = self.seen();
        let action = Action::Accept { order, version };
        self.act(actor(who, ActorRole::Staff), action).unwrap();
        self
    }
    pub(crate) fn start(&mut self, who: &str) -> &mut Self {
        let (order, version) = self.seen();
        let action = Action::Start { order, version };
        self.act(actor(who, ActorRole::Staff), action).unwrap();
        self
    }
    pub(crate) fn complete(&mut self, who: &str) -> &mut Self {
        let (order, version) = self.seen();
        let note = Some("repaired".to_owned());
        let action = Action::Complete { order, version, note };
        self.act(actor(who, ActorRole::Staff), action).unwrap();
        self
    }
    /// Accepted, started and completed in one go.
    pub(crate) fn works_off(&mut self, who: &str) -> &mut Self {
        self.accept(who).start(who).complete(who)
    }
    pub(crate) fn overrides(&mut self, by: Actor) -> Result<Reply, Refusal> {
        let (order, version) = self.seen();
        let (reason, note) = (OverrideReason::SensorFaulty, "rope is broken".to_owned());
        let action = Action::Override {
            order,
            version,
            reason,
            note,
        };
        self.act(by, action)
    }
    /// The one open order.
    pub(crate) fn order(&self) -> Arc<Order> {
        let orders: Vec<_> = self.engine.orders().cloned().collect();
        assert_eq!(orders.len(), 1, "{orders:#?}");
        orders.into_iter().next().unwrap()
    }
    pub(crate) fn seen(&self) -> (OrderId, u32) {
        let order = self.order();
        (order.id, order.version)
    }
    /// The one living alarm.
    pub(crate) fn alarm(&self) -> Arc<Alarm> {
        let alarms: Vec<_> = self.engine.alarms().cloned().collect();
        assert_eq!(alarms.len(), 1, "{alarms:#?}");
        alarms.into_iter().next().unwrap()
    }
    /// The living alarm of a key.
    pub(crate) fn living(&self, asset: &str, class: &str) -> Arc<Alarm> {
        let (asset, class) = (asset.parse().unwrap(), class.parse().unwrap());
        let alarm = self.engine.alarm_of(&asset, &class);
        Arc::clone(alarm.unwrap_or_else(|| panic!("no {class} on {asset}")))
    }
    /// How the one living alarm is shown, or `none`.
    pub(crate) fn alarm_is(&self) -> &'static str {
        if self.engine.alarms().next().is_none() {
            "none"
        } else {
            self.alarm().state.display_code()
        }
    }
    /// Where the one open order stands, or `none`.
    pub(crate) fn order_is(&self) -> &'static str {
        if self.engine.orders().next().is_none() {
            "none"
        } else {
            self.order().state.name()
        }
    }
    pub(crate) fn notices(&self, kind: NoticeKind) -> usize {
        self.changes.notices.iter().filter(|n| n.kind == kind).count()
    }

    /// The last notice of a kind.
    pub(crate) fn last_notice(&self, kind: NoticeKind) -> &Notice {
        self.changes.notices.iter().rfind(|n| n.kind == kind).unwrap()
    }
}

//! What must hold in every state, and of every change between two.

use super::*;

/// What must hold in every state.
pub(super) fn check(engine: &Engine, now: &Now) {
    let orders: Vec<_> = engine
        .orders()
        .flat_map(|o| o.assets().map(|asset| (asset.clone(), o.fault.clone())))
        .collect();
    let keys: BTreeSet<_> = orders.iter().collect();
    assert_eq!(
        keys.len(),
        orders.len(),
        "two open orders for one asset and fault"
    );
    let alarms: Vec<_> = engine
        .alarms()
        .map(|a| (a.asset.clone(), a.class.clone()))
        .collect();
    assert_eq!(alarms.iter().collect::<BTreeSet<_>>().len(), alarms.len());
    for order in engine.orders() {
        assert!(!order.state.is_terminal());
        if let Some(batch) = &order.batch {
            assert_eq!(order.asset, batch.tasks[0].asset);
            assert!(batch.tasks.len() <= MAX_TASKS_PER_ORDER);
        }
        for task in order.tasks() {
            assert_ne!(task.state, TaskState::Left, "{order:?}");
            assert_eq!(task.ended.is_some(), task.state == TaskState::Ended, "{task:?}");
            assert_eq!(
                engine.order_of(&task.asset, &order.fault).map(|o| o.id),
                Some(order.id)
            );
        }
    }
    for alarm in engine.alarms() {
        assert!(!alarm.state.is_over(), "{alarm:?}");
        let annunciation = alarm.state.annunciation;
        assert_eq!(
            alarm.shelving.is_some(),
            annunciation == Annunciation::Shelved,
            "{alarm:?}"
        );
        assert_eq!(
            alarm.suppression.is_some(),
            annunciation == Annunciation::Suppressed,
            "{alarm:?}"
        );
        assert!(
            alarm.re_alarm_at.is_none() || alarm.state.ack == Ack::Ack,
            "{alarm:?}"
        );
        if let Some(source) = alarm.suppression.filter(|s| s.release_at.is_none()) {
            let cause = engine.alarm(source.source);
            assert!(
                cause.is_some_and(|cause| {
                    cause.is_cause() || source.named && cause.state.condition != Condition::Normal
                }),
                "{alarm:?}: {cause:?}"
            );
        }
    }
    check_health(engine, now);
}

/// The sets of flags that spare a look-up are those of the flags that are raised, and no device is two kinds of quiet.
fn check_health(engine: &Engine, now: &Now) {
    let mut counts = FlagKind::ALL.map(|kind| (kind, 0));
    for n in 0..engine.estate().devices().len() {
        let id = &engine.estate().devices()[n].id;
        let device = engine.estate().device_by_id(id).unwrap();
        let health = engine.device_health(device, now).unwrap();
        let mut flags = Flags::default();
        for flag in &health.flags {
            flags.set(flag.kind, true);
        }
        assert_eq!(flags, engine.device_flags(device), "{health:?}");
        assert!(
            !(flags.has(FlagKind::Stale) && flags.has(FlagKind::Silent)),
            "{health:?}"
        );
        for (kind, count) in &mut counts {
            *count += usize::from(flags.has(*kind));
        }
        let lost = health.availability.state.is_lost();
        assert!(!lost || flags.has(FlagKind::Silent), "{health:?}");
    }
    assert_eq!(engine.flag_counts(), counts);
}

/// An order that people see differently has another version, and each of its changes raises it by one.
pub(super) fn check_versions(before: &[Arc<Order>], engine: &Engine, changes: &Changes) {
    let mut known: BTreeMap<OrderId, Arc<Order>> = before.iter().map(|o| (o.id, Arc::clone(o))).collect();
    for change in &changes.orders {
        let version = known.get(&change.order.id).map_or(0, |order| order.version);
        assert_eq!(change.order.version, version + 1, "{change:?}");
        known.insert(change.order.id, Arc::clone(&change.order));
    }
    for order in engine.orders() {
        assert_eq!(seen(order), seen(&known[&order.id]));
    }
}

/// An order as people see it: how far the evidence has come and until when others join is not in it.
fn seen(order: &Order) -> Order {
    let mut seen = order.clone();
    let nowhere = Verification::after(Timestamp::from_millis(0));
    if let OrderState::PendingVerification(verification) = &mut seen.state {
        *verification = nowhere;
    }
    seen.batch
        .iter_mut()
        .for_each(|batch| batch.joins_until = Deadline::default());
    let tasks = seen.batch.iter_mut().flat_map(|batch| &mut batch.tasks);
    for task in tasks.filter(|task| matches!(task.state, TaskState::Open(_))) {
        task.state = TaskState::Open(nowhere);
    }
    seen
}

/// Closing needs evidence or another manager; `heard` is the last evaluated reading of every point. Returns how
/// many orders were verified, overridden, self-cleared and reopened, and how many tasks joined, ended and opened again.
pub(super) fn check_closings(
    engine: &Engine,
    changes: &Changes,
    heard: &BTreeMap<PointKey, Reading>,
) -> [u32; 7] {
    let mut seen = [0; 7];
    for change in &changes.orders {
        seen[3] += u32::from(change.event == OrderEvent::SensorBad);
        seen[4] += u32::from(change.event == OrderEvent::TaskJoined);
        seen[5] += u32::from(change.event == OrderEvent::TaskEnded);
        seen[6] += u32::from(change.event == OrderEvent::TaskReopened);
        if change.event == OrderEvent::TaskEnded {
            check_task_evidence(engine, change, heard);
        }
        let OrderState::Closed(closing) = change.to else {
            continue;
        };
        match closing {
            Closing::Verified => {
                let Some(OrderState::PendingVerification(v)) = change.from else {
                    panic!("closed from {:?}", change.from);
                };
                if let Some(batch) = &change.order.batch {
                    // Each task had its own evidence when it ended.
                    let ended = |task: &Task| task.state == TaskState::Ended;
                    assert!(batch.tasks.iter().all(ended), "{batch:?}");
                    seen[0] += 1;
                    continue;
                }
                let hold = change.order.profile.verify.hold;
                assert!(change.at >= v.completed.plus(hold), "before the hold was over");
                let good = |silence: bool, r: &Reading| {
                    let calm = match &r.value {
                        // A sensor that speaks is not silent, whatever it says.
                        Some(_) if silence => true,
                        Some(Value::State(wrong)) => !wrong,
                        Some(Value::Number(n)) => *n <= 70.0,
                        _ => false,
                    };
                    calm && r.quality == Quality::Good && r.observed > v.completed && r.received > v.completed
                };
                let (asset, fault) = (&change.order.asset, &change.order.fault);
                if fault.as_str() == "flapping" {
                    // Its evidence is that nothing was raised for an hour; its own stories tell that.
                    continue;
                }
                let sensors = || {
                    engine
                        .watches()
                        .filter(|w| w.asset == asset && w.rule.fault == *fault)
                };
                assert!(sensors().count() > 0);
                for sensor in sensors() {
                    let silence = sensor.rule.when == When::Silent;
                    let proven = heard.get(&sensor.point).is_some_and(|r| good(silence, r));
                    assert!(proven, "no evidence for {change:?} in {heard:?}");
                }
                seen[0] += 1;
            }
            Closing::Overridden(_) => {
                let by = change.actor.as_ref().unwrap();
                assert_eq!(by.role, ActorRole::Manager);
                assert_ne!(change.order.completer.as_ref().unwrap().token, by.token);
                seen[1] += 1;
            }
            Closing::SelfCleared => {
                assert!(change.order.profile.auto_close && change.order.started_at.is_none());
                let mut tasks = change.order.tasks().iter();
                assert!(tasks.all(|task| task.state == TaskState::Ended));
                seen[2] += 1;
            }
        }
    }
    seen
}

/// A task ends by a good reading of every one of its sensors, from after its alarm and after a completion.
fn check_task_evidence(engine: &Engine, change: &OrderChange, heard: &BTreeMap<PointKey, Reading>) {
    let asset = change.task.as_ref().unwrap();
    let task = change.order.tasks().iter().find(|t| t.asset == *asset).unwrap();
    let raised = engine.alarm(task.alarm).map(|alarm| alarm.last_raised_at);
    let from = raised.into_iter().chain(change.order.completed_at).max();
    let mut sensors = 0;
    for watch in engine.watches() {
        if watch.asset == asset && watch.rule.fault == change.order.fault {
            let reading = &heard[&watch.point];
            let empty = matches!(reading.value, Some(Value::Number(fill)) if fill <= 70.0);
            let later = from.is_none_or(|from| reading.observed > from && reading.received > from);
            assert!(
                empty && later && reading.quality == Quality::Good,
                "{task:?}: {reading:?}"
            );
            sensors += 1;
        }
    }
    assert!(sensors > 0);
}

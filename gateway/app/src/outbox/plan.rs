//! From notices to deliveries: one row per notice and channel, complete enough to be sent as it is for ever.
//!
//! Pure, and called by the pipeline so that the rows commit with the change they speak of. The body of a webhook is
//! written here once and never again: every attempt sends the same id and the same bytes. Which channels hear of a
//! notice is the routes' decision; that a group is not told the same thing twice is decided here. No person's name
//! leaves through this module.

use super::event::{self, Event};
use super::outlived::calls_of;
use super::wecom::Card;
use crate::config::{Channel, ChannelKind, Route};
use crate::messages::{self, Key};
use jiff::tz::TimeZone;
use linli_domain::engine::{Audience, Notice, NoticeKind};
use linli_domain::estate::Estate;
use linli_domain::id::ChannelId;
use linli_domain::text::{Language, Text};
use linli_domain::time::Timestamp;
use linli_ledger::NewDelivery;
use std::collections::BTreeSet;

/// Longest name in a title, longest text of a card, in characters.
const MAX_NAME_CHARS: usize = 80;
const MAX_TEXT_CHARS: usize = 400;

/// In which form a channel takes its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A CloudEvents body.
    Event,
    /// A markdown card for a group of people.
    Card,
}

/// Turns notices into deliveries by the routes of the configuration.
#[derive(Debug, Clone)]
pub struct Planner {
    routes: Vec<Route>,
    channels: Vec<(ChannelId, Form)>,
    language: Language,
}

impl Planner {
    /// A planner for these routes and channels; messages to people are in `language`.
    pub fn new(routes: Vec<Route>, channels: Vec<Channel>, language: Language) -> Self {
        let form = |channel: Channel| match channel.kind {
            ChannelKind::Webhook { .. } => (channel.id, Form::Event),
            ChannelKind::Wecom { .. } => (channel.id, Form::Card),
        };
        Self {
            routes,
            channels: channels.into_iter().map(form).collect(),
            language,
        }
    }

    /// The deliveries for `notices`, which commit at `at`.
    pub fn plan(&self, notices: &[Notice], estate: &Estate, at: Timestamp) -> Vec<NewDelivery> {
        self.plan_beside(&mut BTreeSet::new(), notices, estate, at)
    }

    /// The same beside what is planned in the same commit already: `taken` holds the ids of those events.
    pub fn plan_beside(
        &self,
        taken: &mut BTreeSet<String>,
        notices: &[Notice],
        estate: &Estate,
        at: Timestamp,
    ) -> Vec<NewDelivery> {
        let mut planned = Vec::new();
        for notice in notices {
            let channels = self.channels_for(notice);
            if channels.is_empty() {
                continue;
            }
            let event = Event::new(notice, estate, at, self.language, taken);
            for (channel, form) in channels {
                let payload = match form {
                    Form::Event if notice.audience == Audience::People => continue,
                    Form::Event => event.to_json(),
                    Form::Card if is_for_people(notice) => {
                        serde_json::to_vec(&self.card(notice, &event, &estate.doc().timezone))
                    }
                    Form::Card => continue,
                };
                // Both are plain structs of text: writing them cannot fail.
                let Ok(payload) = payload else { continue };
                planned.push(NewDelivery {
                    channel: channel.to_string(),
                    subject_kind: event::subject_kind(notice).into(),
                    subject: event.subject.clone(),
                    payload,
                    idempotency: format!("{channel}/{}", event.id),
                    created: at,
                    next_at: at,
                });
            }
        }
        planned
    }

    /// Names of the channels over which people would be told of a notice.
    pub fn channels_of(&self, notice: &Notice) -> Vec<String> {
        let channels = self.channels_for(notice).into_iter();
        channels.map(|(channel, _)| channel.to_string()).collect()
    }

    /// A test message for a channel; `None` when there is no such channel. `nonce` tells one test from another.
    pub fn test(
        &self,
        channel: &ChannelId,
        estate: &Estate,
        at: Timestamp,
        nonce: &str,
    ) -> Option<NewDelivery> {
        let (_, form) = self.channels.iter().find(|(id, _)| id == channel)?;
        let title = messages::text(self.language, Key::TestTitle).to_owned();
        let body = messages::format(self.language, Key::TestBody, &[("channel", channel.as_str())]);
        let event = Event::test(estate, at, nonce, &title);
        let payload = match form {
            Form::Event => event.to_json(),
            Form::Card => serde_json::to_vec(&Card {
                language: self.language,
                priority: "P4".into(),
                text: format!("**{title}**\n{body}"),
                title,
                calls: Vec::new(),
            }),
        };
        Some(NewDelivery {
            channel: channel.to_string(),
            subject_kind: "test".into(),
            subject: event.subject.clone(),
            payload: payload.ok()?,
            idempotency: format!("{channel}/{}", event.id),
            created: at,
            next_at: at,
        })
    }

    /// Channels of the routes that match, each once. A notice that belongs to no trade goes where everything goes,
    /// and where no route takes everything, to all of them: it must not get lost between the trades.
    fn channels_for(&self, notice: &Notice) -> Vec<(&ChannelId, Form)> {
        let takes_all = self.routes.iter().any(|route| route.roles.is_empty());
        let matches = |route: &&Route| match notice.role {
            Some(role) => route.roles.is_empty() || route.roles.contains(&role),
            None => route.roles.is_empty() || !takes_all,
        };
        let wanted: BTreeSet<&ChannelId> = self
            .routes
            .iter()
            .filter(matches)
            .flat_map(|r| &r.channels)
            .collect();
        let known = self.channels.iter().filter(|(id, _)| wanted.contains(id));
        known.map(|(id, form)| (id, *form)).collect()
    }

    fn card(&self, notice: &Notice, event: &Event, timezone: &str) -> Card {
        if is_about_many(notice) {
            return self.card_of_many(notice, event, timezone);
        }
        let language = self.language;
        let say = |key, name, value: &str| messages::format(language, key, &[(name, value)]);
        let asset = plain(notice.asset_name.get(language), MAX_NAME_CHARS);
        let what = notice
            .title
            .as_ref()
            .map(|title| plain(title.get(language), MAX_NAME_CHARS));
        let title = messages::format(
            language,
            Key::CardTitle,
            &[
                ("priority", messages::word(language, "priority", event.priority())),
                (
                    "event",
                    messages::word(language, "notice", shown_kind(notice).name()),
                ),
                ("what", what.as_deref().unwrap_or_default()),
                ("asset", &asset),
            ],
        );
        let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut lines = vec![say(Key::CardBold, "title", &title)];
        let place = plain(notice.place.get(language), MAX_TEXT_CHARS);
        if !place.is_empty() {
            lines.push(say(Key::CardPlace, "place", &place));
        }
        match (notice.order, notice.alarm) {
            (Some(order), _) => {
                let role = notice
                    .role
                    .map_or("", |r| messages::word(language, "role", r.as_str()));
                let values = [("order", order.to_string()), ("role", role.to_owned())];
                let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
                lines.push(messages::format(language, Key::CardOrder, &values));
            }
            (None, Some(alarm)) => lines.push(say(Key::CardAlarm, "alarm", &alarm.to_string())),
            (None, None) => {}
        }
        let response = plain(notice.response.get(language), MAX_TEXT_CHARS);
        if calls_for_work(notice.kind) && !response.is_empty() {
            lines.push(say(Key::CardResponse, "response", &response));
        }
        if let Some(reason) = notice.reason.as_deref() {
            lines.push(say(Key::CardReason, "reason", &plain(reason, MAX_TEXT_CHARS)));
        }
        if let Some(until) = notice.until {
            lines.push(say(Key::CardUntil, "until", &local_time(until, timezone)));
        }
        lines.push(say(Key::CardTime, "time", &local_time(notice.at, timezone)));
        Card {
            language,
            priority: event.priority().to_owned(),
            text: lines.join("\n"),
            title,
            calls: calls_of(notice),
        }
    }
}

impl Planner {
    /// A card about several alarms, or about a storm of them.
    fn card_of_many(&self, notice: &Notice, event: &Event, timezone: &str) -> Card {
        let language = self.language;
        let name = |text: &Text| plain(text.get(language), MAX_NAME_CHARS);
        let count = notice.count.to_string();
        // A digest is about alarms of many kinds.
        let what = match notice.kind {
            NoticeKind::AlarmDigest | NoticeKind::StormBegan | NoticeKind::StormEnded => String::new(),
            _ => notice.title.as_ref().map(name).unwrap_or_default(),
        };
        let words = [
            ("priority", messages::word(language, "priority", event.priority())),
            ("event", messages::word(language, "notice", notice.kind.name())),
            ("what", what.as_str()),
            ("count", count.as_str()),
        ];
        let key = match notice.kind {
            NoticeKind::StormBegan | NoticeKind::StormEnded => Key::CardStorm,
            _ => Key::CardSeveral,
        };
        let title = messages::format(language, key, &words);
        let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut lines = vec![messages::format(language, Key::CardBold, &[("title", &title)])];
        for member in &notice.members {
            let what = member.title.as_ref().map(name).unwrap_or_default();
            // A card about an order names it once.
            let order = member.order.filter(|_| event::subject_kind(notice) == "alarm");
            let order = order.map(|order| order.to_string()).unwrap_or_default();
            let words = [
                ("what", what.as_str()),
                ("asset", &name(&member.asset_name)),
                ("place", &name(&member.place)),
                ("order", order.as_str()),
            ];
            let line = messages::format(language, Key::CardMember, &words);
            lines.push(line.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        let more = notice.count as usize - notice.members.len().min(notice.count as usize);
        if more > 0 {
            lines.push(messages::format(
                language,
                Key::DigestMore,
                &[("count", &more.to_string())],
            ));
        }
        if let Some(order) = notice.order.filter(|_| event::subject_kind(notice) == "order") {
            let role = notice
                .role
                .map_or("", |r| messages::word(language, "role", r.as_str()));
            let words = [("order", &*order.to_string()), ("role", role)];
            lines.push(messages::format(language, Key::CardOrder, &words));
        }
        match notice.kind {
            NoticeKind::StormBegan => lines.push(messages::text(language, Key::StormBegan).to_owned()),
            NoticeKind::StormEnded => lines.push(messages::text(language, Key::StormEnded).to_owned()),
            _ => {}
        }
        let time = local_time(notice.at, timezone);
        lines.push(messages::format(language, Key::CardTime, &[("time", &time)]));
        Card {
            language,
            priority: event.priority().to_owned(),
            text: lines.join("\n"),
            title,
            calls: calls_of(notice),
        }
    }
}

/// Whether a card lists alarms or tasks; a group of one is told as that one would be.
fn is_about_many(notice: &Notice) -> bool {
    match notice.kind {
        NoticeKind::AlarmGroup | NoticeKind::AlarmRepeat => notice.count > 1,
        NoticeKind::AlarmDigest | NoticeKind::StormBegan | NoticeKind::StormEnded => true,
        _ => notice.count > 1 && event::subject_kind(notice) == "order",
    }
}

/// What people read that it is: a group of one is an alarm, or the order it opened.
fn shown_kind(notice: &Notice) -> NoticeKind {
    match (notice.kind, notice.order) {
        (NoticeKind::AlarmGroup, Some(_)) => NoticeKind::OrderDispatched,
        (NoticeKind::AlarmGroup, None) => NoticeKind::AlarmRaised,
        (kind, _) => kind,
    }
}

/// Whether a group of people is told. An order speaks for its alarms, and that work has begun is between the
/// worker and the console.
fn is_for_people(notice: &Notice) -> bool {
    if notice.audience == Audience::Systems {
        return false;
    }
    match notice.kind {
        NoticeKind::AlarmRaised | NoticeKind::AlarmCleared => notice.order.is_none(),
        NoticeKind::OrderStarted => false,
        NoticeKind::OrderTaskJoined | NoticeKind::OrderTaskEnded | NoticeKind::OrderTaskReopened => false,
        NoticeKind::AlarmUnknown
        | NoticeKind::AlarmStillActive
        | NoticeKind::AlarmShelved
        | NoticeKind::AlarmGroup
        | NoticeKind::AlarmRepeat
        | NoticeKind::AlarmDigest
        | NoticeKind::StormBegan
        | NoticeKind::StormEnded
        | NoticeKind::OutOfService
        | NoticeKind::BackInService
        | NoticeKind::OrderDispatched
        | NoticeKind::OrderAccepted
        | NoticeKind::OrderCompleted
        | NoticeKind::OrderReopened
        | NoticeKind::OrderClosed
        | NoticeKind::OrderCancelled => true,
    }
}

/// Whether somebody has to act on it, so that what to do belongs in the message.
fn calls_for_work(kind: NoticeKind) -> bool {
    matches!(
        kind,
        NoticeKind::AlarmRaised
            | NoticeKind::AlarmUnknown
            | NoticeKind::AlarmStillActive
            | NoticeKind::AlarmGroup
            | NoticeKind::AlarmRepeat
            | NoticeKind::OrderDispatched
            | NoticeKind::OrderReopened
    )
}

/// A name as it may stand in markdown: one line, no markup, no mention, of bounded length.
fn plain(text: &str, most: usize) -> String {
    let safe = |c: char| match c {
        '<' => '＜',
        '>' => '＞',
        '[' => '［',
        ']' => '］',
        '*' => '＊',
        '`' => '｀',
        c if c.is_control() => ' ',
        c => c,
    };
    text.trim().chars().map(safe).take(most).collect()
}

/// The time as the estate's clocks show it; UTC when the zone is unknown.
fn local_time(at: Timestamp, timezone: &str) -> String {
    let zone = TimeZone::get(timezone).unwrap_or(TimeZone::UTC);
    match jiff::Timestamp::from_millisecond(at.as_millis()) {
        Ok(instant) => instant.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => at.to_string(),
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;

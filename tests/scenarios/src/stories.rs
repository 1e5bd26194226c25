//! The stories. Each is told to a running product whose shape it does not know.

mod afterthoughts;
mod approving;
mod calls;
mod carrying;
mod chaos;
mod codes;
mod commenting;
mod crowd;
mod custom_emoji;
mod custom_role;
mod disappearing;
mod entering;
mod erasure;
mod events;
mod first_conversation;
mod front_door;
mod killed;
mod leaving;
mod mailbox;
mod openid;
mod own;
mod presence;
mod programs;
mod resume;
mod scheduled;
mod signing_out;
mod slow_mode;
mod standing;
mod strangers;
mod threads;
mod troublemaker;

use anyhow::Result;
use futures_util::future::BoxFuture;

use crate::system::System;

/// One story.
#[derive(Clone, Copy)]
pub struct Story {
    /// What it tells.
    pub name: &'static str,
    /// Tells it. Fails with what went otherwise.
    pub tell: for<'a> fn(&'a mut System) -> BoxFuture<'a, Result<()>>,
}

/// Every story, in the order told: those that hurt the product come last.
pub const STORIES: &[Story] = &[
    Story { name: "two_people_talk", tell: |system| Box::pin(first_conversation::two_people_talk(system)) },
    Story {
        name: "a_repeated_send_is_the_first_one",
        tell: |system| Box::pin(first_conversation::a_repeated_send(system)),
    },
    Story {
        name: "one_event_from_commit_to_consumer",
        tell: |system| Box::pin(first_conversation::a_user_log_is_told(system)),
    },
    Story {
        name: "a_stranger_finds_nothing",
        tell: |system| Box::pin(strangers::a_stranger_finds_nothing(system)),
    },
    Story {
        name: "found_asked_invited_and_archived",
        tell: |system| Box::pin(entering::found_asked_and_invited(system)),
    },
    Story {
        name: "of_ten_who_are_approved_at_once_three_come_in",
        tell: |system| Box::pin(approving::three_of_ten(system)),
    },
    Story {
        name: "edit_react_and_delete_are_seen_live_in_history_and_after_resume",
        tell: |system| Box::pin(afterthoughts::second_thoughts(system)),
    },
    Story {
        name: "a_message_is_passed_on_and_quoted_and_a_poll_is_voted_in",
        tell: |system| Box::pin(carrying::passed_on_and_asked(system)),
    },
    Story {
        name: "a_mention_is_counted_on_every_device_until_it_is_read_on_one",
        tell: |system| Box::pin(calls::counted_on_every_device(system)),
    },
    Story {
        name: "a_thread_is_heard_live_and_read_on_another_device",
        tell: |system| Box::pin(threads::heard_and_read(system)),
    },
    Story {
        name: "comments_are_switched_off_and_on",
        tell: |system| Box::pin(commenting::switched_off_and_on(system)),
    },
    Story {
        name: "a_custom_emoji_stays_what_it_was",
        tell: |system| Box::pin(custom_emoji::stays_what_it_was(system)),
    },
    Story {
        name: "in_slow_mode_nobody_hurries_whichever_device_they_take",
        tell: |system| Box::pin(slow_mode::nobody_hurries(system)),
    },
    Story {
        name: "a_troublemaker_is_muted_purged_and_banned",
        tell: |system| Box::pin(troublemaker::a_troublemaker_is_dealt_with(system)),
    },
    Story {
        name: "what_is_ones_own_follows_and_a_block_keeps_apart",
        tell: |system| Box::pin(own::follows_and_keeps_apart(system)),
    },
    Story {
        name: "who_is_there_is_seen_by_whom_they_talk_to",
        tell: |system| Box::pin(presence::seen_by_whom_one_talks_to(system)),
    },
    Story {
        name: "a_custom_role_lets_its_carrier_pin",
        tell: |system| Box::pin(custom_role::lets_its_carrier_pin(system)),
    },
    Story {
        name: "a_bot_answers_until_its_token_is_revoked",
        tell: |system| Box::pin(programs::a_bot_answers_until_its_token_is_revoked(system)),
    },
    Story {
        name: "a_hook_posts_and_the_export_holds_it",
        tell: |system| Box::pin(programs::a_hook_posts_and_the_export_holds_it(system)),
    },
    Story {
        name: "an_address_is_verified_and_a_forgotten_password_set_anew",
        tell: |system| Box::pin(mailbox::verified_and_set_anew(system)),
    },
    Story {
        name: "other_devices_are_signed_out_everywhere",
        tell: |system| Box::pin(signing_out::other_devices_are_out_everywhere(system)),
    },
    Story {
        name: "a_one_time_code_is_good_once_wherever_it_is_shown",
        tell: |system| Box::pin(codes::each_is_good_once_wherever_it_is_shown(system)),
    },
    Story {
        name: "somebody_is_suspended_everywhere_and_given_back",
        tell: |system| Box::pin(standing::suspended_everywhere_and_given_back(system)),
    },
    Story {
        name: "somebody_comes_in_by_an_account_elsewhere",
        tell: |system| Box::pin(openid::in_by_an_account_elsewhere(system)),
    },
    Story {
        name: "the_front_door_lets_in_what_it_should",
        tell: |system| Box::pin(front_door::lets_in_what_it_should(system)),
    },
    Story {
        name: "resume_on_another_node_with_a_gap",
        tell: |system| Box::pin(resume::on_another_node(system)),
    },
    Story {
        name: "server_sent_events_resume_without_a_hole",
        tell: |system| Box::pin(events::heard_and_resumed(system)),
    },
    Story {
        name: "a_gateway_stops_and_nobody_misses_anything",
        tell: |system| Box::pin(leaving::a_gateway_stops(system)),
    },
    Story {
        name: "what_is_scheduled_is_posted_once_after_a_kill",
        tell: |system| Box::pin(scheduled::posted_once_after_a_kill(system)),
    },
    Story {
        name: "who_was_on_a_node_that_is_killed_is_gone",
        tell: |system| Box::pin(presence::gone_with_their_node(system)),
    },
    Story {
        name: "who_carries_a_role_is_called_by_its_word_after_a_kill",
        tell: |system| Box::pin(custom_role::called_by_its_word(system)),
    },
    Story {
        name: "what_disappears_is_gone_for_everybody_after_a_kill",
        tell: |system| Box::pin(disappearing::gone_for_everybody(system)),
    },
    Story {
        name: "an_erased_account_is_forgotten_by_every_service_after_a_kill",
        tell: |system| Box::pin(erasure::forgotten_by_every_service(system)),
    },
    Story {
        name: "reads_through_the_front_door_go_on_when_a_gateway_dies",
        tell: |system| Box::pin(front_door::reads_go_on(system)),
    },
    Story {
        name: "kill_9_of_each_process_under_load",
        tell: |system| Box::pin(killed::each_process_under_load(system)),
    },
    Story { name: "chaos_under_load", tell: |system| Box::pin(chaos::rounds_of_trouble(system)) },
];

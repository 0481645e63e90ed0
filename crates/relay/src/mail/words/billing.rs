//! A subscription has begun, will end, or could not be paid.

use super::{Block, Letter, Scene};
use autocrea_protocol::account::Interval;
use autocrea_protocol::{PlanId, UnixMillis};

pub(super) fn confirmed(
    scene: &Scene<'_>,
    plan: &PlanId,
    interval: Option<Interval>,
    trial: bool,
    until: UnixMillis,
) -> Letter {
    let terms = scene.config.plans.terms(plan);
    let (name, tokens) = (terms.name(scene.lang), scene.tokens(terms.tokens));
    let (subject, heading, thanks) = if trial {
        (
            scene.say(
                format!("Tu prueba de {name} ha empezado"),
                format!("Your {name} trial has begun"),
            ),
            scene.say(format!("{name}, de prueba"), format!("{name}, on trial")),
            scene.say(
                "Tu prueba está en marcha y los tokens ya están en tu cuenta.",
                "Your trial is running and the tokens are in your account already.",
            ),
        )
    } else {
        (
            scene.say(format!("Tu plan {name} está activo"), format!("Your {name} plan is active")),
            scene.say(format!("Gracias. {name} ya es tuyo"), format!("Thank you. {name} is yours")),
            scene.say(
                "Gracias por confiar en AUTOCREA. El pago está hecho y los tokens ya están en tu cuenta.",
                "Thank you for trusting AUTOCREA. The payment is made and the tokens are in your \
                 account already.",
            ),
        )
    };
    let mut rows = vec![(scene.say("Plan", "Plan"), name.to_owned())];
    let billed = match interval {
        Some(Interval::Month) => Some(scene.say("Cada mes", "Monthly")),
        Some(Interval::Year) => Some(scene.say("Cada año", "Yearly")),
        None => None,
    };
    rows.extend(billed.map(|billed| (scene.say("Se paga", "Billed"), billed)));
    let next = if trial {
        scene.say("Fin de la prueba", "Trial ends")
    } else {
        scene.say("Próximo pago", "Next payment")
    };
    rows.push((next, scene.date(until)));
    let mut letter = Letter::new(
        subject,
        scene.say(
            format!("{tokens} tokens listos para usar."),
            format!("{tokens} tokens, ready to use."),
        ),
        heading,
    )
    .text(scene.greeting())
    .text(thanks)
    .with(Block::Figures(rows))
    .with(scene.features(terms));
    if trial {
        letter = letter.text(scene.say(
            "Si cancelas antes de que acabe la prueba, no se te cobra nada.",
            "Cancel before the trial ends, and you are charged nothing.",
        ));
    }
    letter
        .text(scene.say(
            "Facturas, tarjeta, cambio de plan y cancelación están en la app, en Cuenta.",
            "Invoices, card, plan changes and cancelling are in the app, under Account.",
        ))
        .with(scene.open("Empezar a crear", "Start creating"))
}

pub(super) fn cancelled(scene: &Scene<'_>, plan: &PlanId, until: Option<UnixMillis>) -> Letter {
    let name = scene.plan_name(plan);
    let free = scene.free_tokens();
    let subject = scene
        .say(format!("Tu plan {name} está cancelado"), format!("Your {name} plan is cancelled"));
    let Some(until) = until else {
        return Letter::new(
            subject,
            scene.say("No se te cobrará nada más.", "You will not be charged again."),
            scene.say("Tu suscripción ha terminado", "Your subscription has ended"),
        )
        .text(scene.greeting())
        .text(scene.say(
            format!(
                "Tu plan {name} ha terminado y no se te cobrará nada más. Desde ahora tienes el plan \
                 gratis, con {free} tokens cada mes."
            ),
            format!(
                "Your {name} plan has ended and you will not be charged again. From now on you have \
                 the free plan, with {free} tokens every month."
            ),
        ))
        .text(kept(scene))
        .with(scene.open("Abrir AUTOCREA", "Open AUTOCREA"));
    };
    let date = scene.date(until);
    Letter::new(
        subject,
        scene.say(format!("Lo conservas hasta el {date}."), format!("You keep it until {date}.")),
        scene.say("Tu cancelación está hecha", "Your cancellation is done"),
    )
    .text(scene.greeting())
    .text(scene.say(
        format!(
            "Hemos recibido tu cancelación. Conservas {name} y sus tokens hasta el {date}, y no se te \
             cobrará nada más. Después pasas al plan gratis, con {free} tokens cada mes."
        ),
        format!(
            "We have your cancellation. You keep {name} and its tokens until {date}, and you will not \
             be charged again. After that you are on the free plan, with {free} tokens every month."
        ),
    ))
    .text(kept(scene))
    .text(scene.say(
        "¿Has cambiado de idea? En la app, en Cuenta, puedes volver a tu plan cuando quieras.",
        "Changed your mind? In the app, under Account, you can go back to your plan at any time.",
    ))
    .with(scene.open("Abrir AUTOCREA", "Open AUTOCREA"))
}

fn kept(scene: &Scene<'_>) -> String {
    scene.say(
        "Todo lo que has creado se queda en tu equipo, como siempre.",
        "Everything that you have made stays on your machine, as always.",
    )
}

pub(super) fn failed(scene: &Scene<'_>, plan: &PlanId, kept_until: Option<UnixMillis>) -> Letter {
    let name = scene.plan_name(plan);
    let steps = vec![
        scene
            .item(("Abre AUTOCREA", "Y entra en Cuenta."), ("Open AUTOCREA", "And go to Account.")),
        scene.item(
            ("Elige «Facturas y tarjeta»", "Se abre el portal de pago en el navegador."),
            ("Choose “Invoices and card”", "It opens the payment portal in your browser."),
        ),
        scene.item(
            (
                "Pon otra tarjeta o paga la factura",
                "En cuanto se confirme, la app se actualiza sola.",
            ),
            (
                "Enter another card or pay the invoice",
                "As soon as it is confirmed, the app updates by itself.",
            ),
        ),
    ];
    let keeping = match kept_until {
        Some(until) => {
            let date = scene.date(until);
            scene.say(
                format!(
                    "Conservas tu plan hasta el {date}, y mientras tanto lo volveremos a intentar. Si \
                     para entonces sigue pendiente, pasarás al plan gratis."
                ),
                format!(
                    "You keep your plan until {date}, and meanwhile we will try again. If it is still \
                     unpaid by then, you will move to the free plan."
                ),
            )
        }
        None => scene.say(
            "Mientras tanto no cambia nada de lo que ya tienes.",
            "Meanwhile nothing changes about what you already have.",
        ),
    };
    Letter::new(
        scene.say(format!("No hemos podido cobrar tu plan {name}"), format!("Your {name} payment did not go through")),
        scene.say("Se arregla en un minuto.", "It takes a minute to put right."),
        scene.say("El pago no ha salido adelante", "The payment did not go through"),
    )
    .text(scene.greeting())
    .text(scene.say(
        format!(
            "Tu banco no ha aceptado el pago de tu plan {name}. Suele ser una tarjeta caducada o un \
             límite del banco, y se arregla en un minuto:"
        ),
        format!(
            "Your bank did not accept the payment of your {name} plan. Most often it is an expired \
             card or a bank limit, and it takes a minute to put right:"
        ),
    ))
    .with(Block::Steps(steps))
    .text(keeping)
    .with(scene.open("Abrir AUTOCREA", "Open AUTOCREA"))
}

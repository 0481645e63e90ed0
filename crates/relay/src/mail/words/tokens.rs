//! Tokens are running out, or have run out.

use super::{Block, Item, Letter, Scene};
use crate::mail::news::Share;
use autocrea_protocol::{PlanId, Tokens, UnixMillis};

/// How the tokens stood when the mail was caused.
pub(super) struct Spent<'a> {
    pub(super) plan: &'a PlanId,
    pub(super) used: Tokens,
    pub(super) limit: Tokens,
    pub(super) ends_at: UnixMillis,
}

impl Spent<'_> {
    fn percent(&self) -> i64 {
        let used = i128::from(self.used.get().max(0));
        let limit = i128::from(self.limit.get().max(1));
        i64::try_from((used * 100 / limit).min(100)).unwrap_or(100)
    }
}

pub(super) fn letter(scene: &Scene<'_>, share: Share, spent: &Spent<'_>) -> Letter {
    match share {
        Share::Half => half(scene, spent),
        Share::Most => most(scene, spent),
        Share::All => all(scene, spent),
    }
}

fn half(scene: &Scene<'_>, spent: &Spent<'_>) -> Letter {
    let left = scene.tokens(spent.limit - spent.used);
    let letter = Letter::new(
        scene.say("Has usado la mitad de tus tokens", "You have used half of your tokens"),
        scene.say(format!("Te quedan {left}."), format!("You have {left} left.")),
        scene.say("Vas por la mitad", "You are halfway through"),
    )
    .text(scene.greeting())
    .text(scene.say(
        "Has usado la mitad de los tokens que tienes. No hace falta que hagas nada: es solo para \
         que lo sepas a tiempo.",
        "You have used half of the tokens that you have. There is nothing for you to do: this is \
         only so that you know in time.",
    ));
    figures(letter, scene, spent).with(scene.open("Seguir creando", "Keep creating"))
}

fn most(scene: &Scene<'_>, spent: &Spent<'_>) -> Letter {
    let (left, date) = (scene.tokens(spent.limit - spent.used), scene.date(spent.ends_at));
    let percent = spent.percent();
    let letter = Letter::new(
        scene.say(
            format!("Has usado el {percent}\u{a0}% de tus tokens"),
            format!("You have used {percent}% of your tokens"),
        ),
        scene.say(
            format!("Te quedan {left}. Así rinden más."),
            format!("You have {left} left. How to make them last."),
        ),
        scene.say("Te queda el último tramo", "You are on the last stretch"),
    )
    .text(scene.greeting())
    .text(scene.say(
        format!("Te quedan {left} tokens para llegar al {date}."),
        format!("You have {left} tokens left to last until {date}."),
    ));
    let tips = vec![
        scene.item(
            (
                "Pide cambios concretos",
                "«Haz más grande el botón de pagar» gasta menos que empezar de nuevo.",
            ),
            (
                "Ask for one change at a time",
                "“Make the pay button larger” takes less than starting over.",
            ),
        ),
        scene.item(
            ("Mira el máximo antes de enviar", "Bajo el cuadro de texto ves lo que puede costar."),
            ("Look at the ceiling before you send", "Below the prompt you see what it can cost."),
        ),
        scene.item(
            ("Usa tu propio modelo", "Con Ollama o LM Studio, AUTOCREA no gasta tokens."),
            ("Bring your own model", "With Ollama or LM Studio, AUTOCREA spends no tokens."),
        ),
    ];
    figures(letter, scene, spent)
        .text(scene.say("Para que los que quedan rindan más:", "To make the rest last:"))
        .with(Block::Points(tips))
        .with(scene.open("Abrir AUTOCREA", "Open AUTOCREA"))
}

fn all(scene: &Scene<'_>, spent: &Spent<'_>) -> Letter {
    let date = scene.date(spent.ends_at);
    let letter = Letter::new(
        scene.say("Has usado todos tus tokens", "You have used all of your tokens"),
        scene.say(
            "Lo que has creado sigue en tu equipo. Estas son tus opciones.",
            "What you made is still on your machine. These are your options.",
        ),
        scene.say("Se acabaron los tokens", "You are out of tokens"),
    )
    .text(scene.greeting())
    .text(scene.say(
        "Has usado todos tus tokens. Lo que has creado sigue en tu equipo: puedes abrirlo, verlo y \
         exportarlo cuando quieras.",
        "You have used all of your tokens. What you made is still on your machine: open it, preview \
         it and export it whenever you like.",
    ));
    let left = spent.limit - spent.used;
    let letter = if left > Tokens::ZERO {
        let left = scene.tokens(left);
        letter.text(scene.say(
            format!("Los {left} que quedan no bastan para otra respuesta."),
            format!("The {left} that are left are too few for another answer."),
        ))
    } else {
        letter
    };
    let mut options = Vec::new();
    if scene.reader.renews() {
        let granted = scene.tokens(scene.config.plans.terms(spent.plan).tokens);
        options.push(Item {
            title: scene.say(format!("Espera al {date}"), format!("Wait until {date}")),
            text: scene.say(
                format!("Ese día recibes {granted} tokens nuevos."),
                format!("That day you receive {granted} new tokens."),
            ),
        });
    }
    if scene.reader.plan().is_free() {
        let next = scene.next_plan();
        let (name, tokens) = (next.name(scene.lang), scene.tokens(next.tokens));
        options.push(Item {
            title: scene.say(format!("Pásate a {name}"), format!("Move to {name}")),
            text: scene.say(
                format!("{tokens} tokens por periodo, desde el momento en que pagas."),
                format!("{tokens} tokens a period, from the moment you pay."),
            ),
        });
    } else {
        options.push(scene.item(
            ("Cambia de plan", "La diferencia de tokens llega en cuanto se paga."),
            ("Change your plan", "The difference in tokens arrives as soon as it is paid."),
        ));
    }
    options.push(scene.item(
        ("Usa tu propio modelo", "Con Ollama o LM Studio, AUTOCREA no gasta tokens."),
        ("Bring your own model", "With Ollama or LM Studio, AUTOCREA spends no tokens."),
    ));
    figures(letter, scene, spent)
        .with(Block::Points(options))
        .with(scene.open("Ver los planes en la app", "See the plans in the app"))
}

fn figures(letter: Letter, scene: &Scene<'_>, spent: &Spent<'_>) -> Letter {
    let (used, limit) = (scene.tokens(spent.used), scene.tokens(spent.limit));
    let until = if scene.reader.renews() {
        scene.say("Se renuevan", "Renew on")
    } else {
        scene.say("Valen hasta", "Valid until")
    };
    let rows = vec![
        (
            scene.say("Usados", "Used"),
            scene.say(format!("{used} de {limit}"), format!("{used} of {limit}")),
        ),
        (scene.say("Te quedan", "Left"), scene.tokens(spent.limit - spent.used)),
        (until, scene.date(spent.ends_at)),
    ];
    let label = scene.say("Tokens usados", "Tokens used");
    let percent = spent.percent();
    let shown = scene.say(format!("{percent}\u{a0}%"), format!("{percent}%"));
    letter.with(Block::Bar { percent, shown, label }).with(Block::Figures(rows))
}

/// A day after the free ones ran out.
pub(super) fn upgrade(scene: &Scene<'_>) -> Letter {
    let plan = scene.next_plan();
    let (name, tokens) = (plan.name(scene.lang).to_owned(), scene.tokens(plan.tokens));
    Letter::new(
        scene.say("¿Te quedaste a medias?", "Left halfway through?"),
        scene.say(
            format!("Con {name} sigues ahora mismo, con {tokens} tokens."),
            format!("With {name} you go on right away, with {tokens} tokens."),
        ),
        scene.say("Tu idea no tiene por qué esperar", "Your idea does not have to wait"),
    )
    .text(scene.greeting())
    .text(scene.say(
        "Se te acabaron los tokens gratis, y eso suele pasar cuando algo va tomando forma.",
        "You ran out of free tokens, and that tends to happen when something is taking shape.",
    ))
    .text(scene.say(format!("Esto es lo que da {name}:"), format!("This is what {name} gives:")))
    .with(scene.features(plan))
    .text(scene.say(
        "Se cancela desde la app, sin llamadas. Y si prefieres seguir gratis, tus tokens vuelven \
         cada mes.",
        "You cancel in the app, without a call. And if you would rather stay on the free plan, your \
         tokens come back every month.",
    ))
    .with(scene.open("Ver los planes en la app", "See the plans in the app"))
}

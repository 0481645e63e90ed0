//! Somebody new has come.

use super::{Block, Letter, Scene};
use autocrea_protocol::PlanId;

pub(super) fn letter(scene: &Scene<'_>) -> Letter {
    let tokens = scene.free_tokens();
    let steps = vec![
        scene.item(
            ("Crea un proyecto", "Vive en tu equipo, y ahí se queda."),
            ("Make a project", "It lives on your machine, and stays there."),
        ),
        scene.item(
            (
                "Describe lo que quieres",
                "Como se lo contarías a alguien. Antes de enviar verás lo que puede costar como máximo.",
            ),
            (
                "Describe what you want",
                "As you would tell somebody. Before sending you see what it can cost at most.",
            ),
        ),
        scene.item(
            (
                "Míralo y pide cambios",
                "Cada resultado es una versión: siempre puedes volver atrás.",
            ),
            ("Look at it and ask for changes", "Each result is a version: you can always go back."),
        ),
    ];
    let free = scene.plan_name(&PlanId::free()).to_owned();
    let figures = vec![
        (scene.say("Tu plan", "Your plan"), free),
        (scene.say("Tokens cada mes", "Tokens every month"), tokens.clone()),
    ];
    Letter::new(
        scene.say("Te damos la bienvenida a AUTOCREA", "Welcome to AUTOCREA"),
        scene.say(
            format!("Tienes {tokens} tokens cada mes para tus primeras ideas."),
            format!("You have {tokens} tokens every month for your first ideas."),
        ),
        scene.say("Tu estudio está listo", "Your studio is ready"),
    )
    .text(scene.greeting())
    .text(scene.say(
        "Nos alegra tenerte aquí. AUTOCREA convierte lo que describes con tus palabras en software \
         que puedes abrir, probar y guardar.",
        "It is good to have you here. AUTOCREA turns what you describe in your own words into \
         software that you can open, try and keep.",
    ))
    .with(Block::Steps(steps))
    .with(Block::Figures(figures))
    .text(scene.say(
        "Y si una generación falla, no pagas nada. Así de sencillo.",
        "And if a generation fails, you pay nothing. It is that simple.",
    ))
    .with(scene.open("Abrir AUTOCREA", "Open AUTOCREA"))
}

//! The first week: a first app, a harder one, examples, better prompts, and what more there is.

use super::{Block, Letter, Scene};
use autocrea_protocol::PlanId;

/// Day 1.
pub(super) fn first(scene: &Scene<'_>) -> Letter {
    Letter::new(
        scene.say("Tu primera app, en una frase", "Your first app, in one sentence"),
        scene.say("Cópiala, pégala y mírala aparecer.", "Copy it, paste it and watch it appear."),
        scene.say("Empieza por algo pequeño", "Start with something small"),
    )
    .text(scene.greeting())
    .text(scene.say(
        "La mejor forma de conocer AUTOCREA es ver algo tuyo funcionando. Abre un proyecto nuevo y \
         pega esto:",
        "The best way to get to know AUTOCREA is to see something of yours running. Open a new \
         project and paste this:",
    ))
    .with(Block::Prompt(scene.say(
        "Una lista de tareas que se guarda sola. Quiero añadir tareas con la tecla Intro, marcarlas \
         como hechas y filtrar las pendientes. Diseño limpio, con modo oscuro.",
        "A to-do list that saves itself. I want to add tasks with the Enter key, mark them as done \
         and filter the open ones. A clean design, with a dark mode.",
    )))
    .text(scene.say(
        "En un par de minutos la tienes en la vista previa. Después pide un cambio, uno solo: «pon \
         una fecha a cada tarea».",
        "In a couple of minutes you have it in the preview. Then ask for a change, just one: “give \
         each task a date”.",
    ))
    .with(scene.open("Crear mi primera app", "Make my first app"))
}

/// Day 2.
pub(super) fn second(scene: &Scene<'_>) -> Letter {
    let tips = vec![
        scene.item(
            (
                "Empieza por el rol de Arquitecto",
                "Propone las piezas y cómo encajan antes de escribir código.",
            ),
            (
                "Start with the Architect role",
                "It lays out the pieces and how they fit before it writes code.",
            ),
        ),
        scene.item(
            ("Sigue con Full stack", "Que construya una pieza cada vez, en el mismo proyecto."),
            ("Go on with Full stack", "Have it build one piece at a time, in the same project."),
        ),
        scene.item(
            ("Acaba con QA", "Pídele pruebas y que busque lo que se rompe."),
            ("Finish with QA", "Ask it for tests, and to look for what breaks."),
        ),
    ];
    Letter::new(
        scene.say("Sube de nivel: apps con más piezas", "Level up: apps with more pieces"),
        scene.say(
            "Tres roles y un encargo para probarlos.",
            "Three roles, and a job to try them on.",
        ),
        scene.say("Ahora, algo más ambicioso", "Now for something bolder"),
    )
    .text(scene.greeting())
    .text(scene.say(
        "Cuando una app tiene varias pantallas y datos, ayuda ir por partes. Los roles de AUTOCREA \
         están para eso:",
        "When an app has several screens and data, it helps to go step by step. That is what \
         AUTOCREA’s roles are for:",
    ))
    .with(Block::Steps(tips))
    .text(scene.say("Pruébalo con este encargo:", "Try it with this job:"))
    .with(Block::Prompt(scene.say(
        "Una tienda de plantas con catálogo, filtros por luz y riego, carrito y un pago simulado. \
         Separa los datos, la lógica y las vistas, y añade pruebas del carrito.",
        "A plant shop with a catalogue, filters for light and watering, a cart and a simulated \
         payment. Keep data, logic and views apart, and add tests for the cart.",
    )))
    .with(scene.open("Abrir AUTOCREA", "Open AUTOCREA"))
}

/// Day 3.
pub(super) fn third(scene: &Scene<'_>) -> Letter {
    let ideas = vec![
        scene.item(
            ("La carta de un restaurante", "Platos con foto y precio, filtro de alérgenos y lectura cómoda en el móvil."),
            ("A restaurant’s menu", "Dishes with photo and price, an allergen filter, easy to read on a phone."),
        ),
        scene.item(
            ("Las cuentas de casa", "Gastos por categoría, presupuesto del mes y un gráfico que se entiende de un vistazo."),
            ("Household accounts", "Expenses by category, a monthly budget and a chart that reads at a glance."),
        ),
        scene.item(
            ("La agenda de una peluquería", "Citas por profesional, huecos libres y un aviso cuando dos se pisan."),
            ("A hairdresser’s diary", "Appointments by stylist, free slots and a warning when two overlap."),
        ),
        scene.item(
            ("Un juego para practicar las tablas", "Diez preguntas, contrarreloj, y una medalla para quien mejora su marca."),
            ("A game to practise times tables", "Ten questions against the clock, and a medal for whoever beats their best."),
        ),
    ];
    Letter::new(
        scene.say("Cuatro ideas para copiar sin vergüenza", "Four ideas to copy shamelessly"),
        scene.say("Una carta, unas cuentas, una agenda y un juego.", "A menu, accounts, a diary and a game."),
        scene.say("¿Qué podrías crear hoy?", "What could you make today?"),
    )
    .text(scene.greeting())
    .text(scene.say(
        "A veces lo difícil es empezar. Aquí van cuatro ideas que caben en una tarde:",
        "Sometimes starting is the hard part. Here are four ideas that fit into an afternoon:",
    ))
    .with(Block::Points(ideas))
    .text(scene.say(
        "Elige una, cambia lo que quieras y hazla tuya. En cada proyecto nuevo tienes más ejemplos \
         para empezar.",
        "Pick one, change what you like and make it yours. Every new project shows you more examples \
         to begin with.",
    ))
    .with(scene.open("Elegir una y empezar", "Pick one and start"))
}

/// Day 5: better prompts; or a nudge to whoever has not begun.
pub(super) fn fifth(scene: &Scene<'_>) -> Letter {
    if scene.reader.has_generated { prompts(scene) } else { nudge(scene) }
}

fn prompts(scene: &Scene<'_>) -> Letter {
    let tips = vec![
        scene.item(
            ("Di para quién es", "«Para clientes que miran desde el móvil» cambia todo el diseño."),
            ("Say who it is for", "“For customers on their phones” changes the whole design."),
        ),
        scene.item(
            ("Di qué se puede hacer", "Una lista de acciones vale más que una lista de adjetivos."),
            (
                "Say what people can do",
                "A list of actions is worth more than a list of adjectives.",
            ),
        ),
        scene.item(
            ("Pon un ejemplo de los datos", "Tres filas reales evitan diez malentendidos."),
            ("Give an example of the data", "Three real rows prevent ten misunderstandings."),
        ),
        scene.item(
            (
                "Di lo que no quieres",
                "«Sin registro y sin ventanas emergentes» también es una instrucción.",
            ),
            ("Say what you do not want", "“No sign-up and no pop-ups” is an instruction too."),
        ),
    ];
    Letter::new(
        scene.say("Cuatro frases que mejoran cualquier encargo", "Four sentences that improve any prompt"),
        scene.say("Menos vueltas, y menos tokens.", "Fewer rounds, and fewer tokens."),
        scene.say("Pide mejor, gasta menos", "Ask better, spend less"),
    )
    .text(scene.greeting())
    .text(scene.say(
        "Un buen encargo ahorra vueltas. Estas cuatro cosas son las que más se notan:",
        "A good prompt saves rounds. These four things make the most difference:",
    ))
    .with(Block::Points(tips))
    .text(scene.say("Todo junto queda así:", "All together it looks like this:"))
    .with(Block::Prompt(scene.say(
        "Una página para reservar clases de yoga, para alumnas que miran desde el móvil. Pueden ver \
         el horario, reservar y cancelar. Ejemplo: «Lunes 18:00, Hatha, 4 plazas libres». Sin registro.",
        "A page to book yoga classes, for students on their phones. They can see the timetable, book \
         and cancel. Example: “Monday 18:00, Hatha, 4 places left”. No sign-up.",
    )))
    .with(scene.open("Probarlo ahora", "Try it now"))
}

fn nudge(scene: &Scene<'_>) -> Letter {
    let tokens = scene.free_tokens();
    Letter::new(
        scene.say("¿Te ayudamos a empezar?", "Shall we help you start?"),
        scene.say(
            format!("Tus {tokens} tokens siguen ahí, esperando."),
            format!("Your {tokens} tokens are still there, waiting."),
        ),
        scene.say("Tu primera idea te está esperando", "Your first idea is waiting for you"),
    )
    .text(scene.greeting())
    .text(scene.say(
        format!(
            "Todavía no has creado nada con AUTOCREA, y es una pena: tienes {tokens} tokens gratis cada \
             mes. No hace falta saber programar ni tenerlo todo pensado."
        ),
        format!(
            "You have not made anything with AUTOCREA yet, and that is a pity: you have {tokens} free \
             tokens every month. You do not need to know how to code, or to have it all thought out."
        ),
    ))
    .text(scene.say("Abre un proyecto y pega esta frase, tal cual:", "Open a project and paste this sentence as it is:"))
    .with(Block::Prompt(scene.say(
        "Una página con una cuenta atrás hasta mi cumpleaños, con confeti cuando llegue.",
        "A page with a countdown to my birthday, and confetti when it comes.",
    )))
    .text(scene.say(
        "Un minuto después tendrás algo que enseñar. Y si falla, no se te cobra nada.",
        "A minute later you will have something to show. And if it fails, you are charged nothing.",
    ))
    .with(scene.open("Crear algo ahora", "Make something now"))
}

/// Day 7.
pub(super) fn seventh(scene: &Scene<'_>) -> Letter {
    let (free, more) = (scene.config.plans.terms(&PlanId::free()), scene.next_plan());
    let name = more.name(scene.lang).to_owned();
    let tokens = scene.tokens(more.tokens);
    let compared = |before: String, after: String| format!("{before}\u{a0}→\u{a0}{after}");
    let mut rows = vec![(
        scene.say("Tokens al mes", "Tokens a month"),
        compared(scene.tokens(free.tokens), tokens.clone()),
    )];
    if free.concurrency > 0 && more.concurrency > 0 {
        rows.push((
            scene.say("Generaciones a la vez", "Generations at once"),
            compared(scene.number(free.concurrency), scene.number(more.concurrency)),
        ));
    }
    if free.generations_per_hour > 0 && more.generations_per_hour > 0 {
        rows.push((
            scene.say("Generaciones por hora", "Generations an hour"),
            compared(
                scene.number(free.generations_per_hour),
                scene.number(more.generations_per_hour),
            ),
        ));
    }
    rows.push((
        scene.say("Respuesta más larga", "Longest answer"),
        compared(scene.tokens(free.max_output_tokens), scene.tokens(more.max_output_tokens)),
    ));
    Letter::new(
        scene.say(format!("Lo que añade {name}"), format!("What {name} adds")),
        scene.say(
            format!("{tokens} tokens por periodo y más sitio para crear."),
            format!("{tokens} tokens a period, and more room to create."),
        ),
        scene.say("Cuando quieras ir más lejos", "When you want to go further"),
    )
    .text(scene.greeting())
    .text(scene.say(
        format!("Llevas una semana con AUTOCREA. Si te está gustando, esto es lo que cambia con {name}:"),
        format!("You have been with AUTOCREA for a week. If you like it, this is what changes with {name}:"),
    ))
    .with(Block::Figures(rows))
    .text(scene.say(
        "Los doce roles, los proyectos sin límite y tus versiones son iguales en todos los planes. Se \
         cancela cuando quieras, desde la app, y lo que creaste sigue siendo tuyo.",
        "The twelve roles, unlimited projects and your versions are the same on every plan. You cancel \
         whenever you like, in the app, and what you made stays yours.",
    ))
    .with(scene.open("Ver los planes en la app", "See the plans in the app"))
}

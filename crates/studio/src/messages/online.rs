//! What is said about the account, sign-in, links, paying, and generations on their way.

use super::{Pair, Say};
use crate::ipc::{Language, Problem, ProblemCode};
use std::borrow::Cow;

/// Sentences about what needs the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnlineMessage {
    /// The relay cannot be reached.
    Offline,
    /// Nobody is signed in.
    SignedOut,
    /// The relay wants a newer app.
    UpdateNeeded {
        /// The oldest that it takes.
        needed: String,
    },
    /// Something that is not our relay answers, or an older one.
    RelayStrange,
    /// The sign-in provider cannot be reached.
    ProviderOffline,
    /// The sign-in provider answers with something that cannot be used.
    ProviderStrange,
    /// A link that is none of ours.
    LinkMalformed,
    /// A link of ours that leads nowhere.
    LinkUnknown,
    /// A pasted text without its state.
    PasteIncomplete,
    /// A state that is not ours, or was used.
    StateUnknown,
    /// A repeated callback, while somebody is signed in.
    AlreadySignedIn,
    /// A state that is too old.
    StateExpired,
    /// The provider does not take the code.
    CodeRefused,
    /// The person said no, or the provider did.
    SignInDenied,
    /// A checkout that is not this person's.
    CheckoutForeign,
    /// A checkout came back that nobody waits for.
    CheckoutNotAwaited,
    /// There is no keyring.
    SecretPlaceNeeded,
    /// The keyring does not answer.
    KeyringSlow,
    /// The private file cannot be used.
    SecretFile,
    /// The keyring refused: the secret lasts until the app quits.
    SecretInMemory,
    /// No browser.
    NoBrowser {
        /// To open by hand.
        url: String,
    },
    /// An address that the app does not open.
    AddressRefused,
    /// Signed in.
    SignedIn,
    /// A plan is in force.
    PlanReady {
        /// Its name.
        plan: String,
    },
    /// Turned back at the checkout.
    CheckoutCancelled,
    /// The checkout is back, the payment not confirmed yet.
    CheckoutPending,
    /// There is no such generation.
    GenerationGone,
    /// It has ended, or has not yet.
    GenerationState,
    /// Nothing usable has arrived.
    NothingArrived,
    /// Cut off.
    Interrupted,
    /// It never reached the relay.
    NotSent,
    /// It could not be asked after in time.
    LostTrack,
    /// It waits for the network.
    WaitingForNetwork,
    /// It waits because the plan's "at once" is reached.
    WaitingForPlace,
    /// It waits since before the app was closed.
    QueuedBefore,
    /// It waits for a sign-in of the account it was sent under.
    WaitingForAccount,
    /// What arrives cannot be stored at the moment.
    WaitingForStore,
    /// The model's endpoint failed.
    ModelFailed,
    /// The model was silent.
    ModelTimeout,
    /// The model said nothing.
    ModelEmpty,
}

impl OnlineMessage {
    /// What the page can act on.
    #[must_use]
    pub const fn code(&self) -> ProblemCode {
        match self {
            Self::Offline | Self::ProviderOffline | Self::NotSent | Self::WaitingForNetwork => {
                ProblemCode::Offline
            }
            Self::SignedOut | Self::WaitingForAccount => ProblemCode::SignedOut,
            Self::UpdateNeeded { .. } => ProblemCode::UpdateNeeded,
            Self::LinkMalformed
            | Self::LinkUnknown
            | Self::PasteIncomplete
            | Self::StateUnknown
            | Self::AlreadySignedIn
            | Self::StateExpired
            | Self::CodeRefused
            | Self::SignInDenied
            | Self::CheckoutForeign
            | Self::CheckoutNotAwaited => ProblemCode::LinkRefused,
            Self::SecretPlaceNeeded | Self::KeyringSlow => ProblemCode::SecretPlaceNeeded,
            Self::NoBrowser { .. } => ProblemCode::NoBrowser,
            Self::SecretFile | Self::WaitingForStore => ProblemCode::Store,
            Self::GenerationGone => ProblemCode::NotFound,
            Self::WaitingForPlace | Self::QueuedBefore => ProblemCode::Busy,
            Self::Interrupted
            | Self::LostTrack
            | Self::ModelFailed
            | Self::ModelTimeout
            | Self::ModelEmpty => ProblemCode::ModelFailed,
            Self::AddressRefused | Self::GenerationState | Self::NothingArrived => {
                ProblemCode::Invalid
            }
            Self::RelayStrange
            | Self::ProviderStrange
            | Self::SecretInMemory
            | Self::SignedIn
            | Self::PlanReady { .. }
            | Self::CheckoutCancelled
            | Self::CheckoutPending => ProblemCode::Internal,
        }
    }

    /// As a problem, in a language.
    #[must_use]
    pub fn problem(&self, language: Language) -> Problem {
        Problem { code: self.code(), message: self.say(language) }
    }
}

const fn plain(es: &'static str, en: &'static str) -> Pair {
    Pair { es: Cow::Borrowed(es), en: Cow::Borrowed(en) }
}

impl Say for OnlineMessage {
    #[allow(clippy::too_many_lines, reason = "a catalogue: one arm a sentence")]
    fn pair(&self) -> Pair {
        match self {
            Self::Offline => plain(
                "No hay conexión con AUTOCREA. Tu trabajo sigue aquí; lo que necesita la red \
                 continuará solo cuando vuelva.",
                "AUTOCREA cannot be reached. Your work is still here; what needs the network goes \
                 on by itself when it is back.",
            ),
            Self::SignedOut => plain(
                "No has iniciado sesión, o ha caducado. Inicia sesión para seguir.",
                "You are not signed in, or your session has ended. Sign in to go on.",
            ),
            Self::UpdateNeeded { needed } => Pair::new(
                format!(
                    "El servicio necesita AUTOCREA {needed} o posterior. Actualiza la aplicación; \
                     tu trabajo local sigue disponible."
                ),
                format!(
                    "The service needs AUTOCREA {needed} or later. Update the app; your local \
                     work is still available."
                ),
            ),
            Self::RelayStrange => plain(
                "El servicio respondió algo que esta versión no entiende. Comprueba la red (¿un \
                 portal de acceso?) o actualiza AUTOCREA; tu trabajo local sigue disponible.",
                "The service answered something that this version does not understand. Check the \
                 network (a login portal?) or update AUTOCREA; your local work is still available.",
            ),
            Self::ProviderOffline => plain(
                "No se puede contactar con el servicio de inicio de sesión. Comprueba la red y \
                 vuelve a intentarlo.",
                "The sign-in service cannot be reached. Check the network and try again.",
            ),
            Self::ProviderStrange => plain(
                "El servicio de inicio de sesión respondió algo inesperado. Vuelve a intentarlo; \
                 si se repite, escribe a soporte.",
                "The sign-in service answered something unexpected. Try again; if it happens \
                 again, write to support.",
            ),
            Self::LinkMalformed => plain(
                "Ese enlace no es de AUTOCREA o está incompleto. No se ha cambiado nada.",
                "That link is not one of AUTOCREA's, or is incomplete. Nothing has changed.",
            ),
            Self::LinkUnknown => plain(
                "Ese enlace no lleva a ningún sitio en esta versión. No se ha cambiado nada; \
                 prueba a actualizar AUTOCREA.",
                "That link leads nowhere in this version. Nothing has changed; try updating \
                 AUTOCREA.",
            ),
            Self::PasteIncomplete => plain(
                "Falta una parte del texto. Copia el texto completo de la página del navegador y \
                 pégalo de nuevo.",
                "Part of the text is missing. Copy the whole text from the browser's page and \
                 paste it again.",
            ),
            Self::StateUnknown => plain(
                "Ese inicio de sesión no se empezó aquí o ya se usó. No se ha cambiado nada; \
                 inicia sesión de nuevo desde AUTOCREA.",
                "That sign-in was not started here, or has been used. Nothing has changed; sign \
                 in again from AUTOCREA.",
            ),
            Self::AlreadySignedIn => plain(
                "Ese enlace ya se usó y tu sesión está iniciada. No hay nada más que hacer.",
                "That link has been used and you are signed in. There is nothing more to do.",
            ),
            Self::StateExpired => plain(
                "Ese inicio de sesión tardó más de diez minutos y caducó. Empieza de nuevo desde \
                 AUTOCREA.",
                "That sign-in took more than ten minutes and has expired. Start again from \
                 AUTOCREA.",
            ),
            Self::CodeRefused => plain(
                "El servicio de inicio de sesión no aceptó el código: ya se usó o caducó. Inicia \
                 sesión de nuevo.",
                "The sign-in service did not accept the code: it was used, or it expired. Sign in \
                 again.",
            ),
            Self::SignInDenied => plain(
                "No se completó el inicio de sesión porque se rechazó el permiso. Puedes \
                 intentarlo de nuevo cuando quieras.",
                "The sign-in was not completed because permission was denied. You can try again \
                 whenever you like.",
            ),
            Self::CheckoutForeign => plain(
                "Ese pago no es de esta cuenta. No se ha cambiado nada; comprueba con qué cuenta \
                 has iniciado sesión.",
                "That payment is not of this account. Nothing has changed; check which account \
                 you are signed in with.",
            ),
            Self::CheckoutNotAwaited => plain(
                "No hay ningún pago pendiente. No se ha cambiado nada; elige un plan en Planes.",
                "No payment is being waited for. Nothing has changed; choose a plan in Plans.",
            ),
            Self::SecretPlaceNeeded => plain(
                "Este equipo no tiene llavero. Elige dónde guardar la sesión: en un archivo \
                 privado o solo hasta cerrar AUTOCREA.",
                "This computer has no keyring. Choose where to keep the session: in a private \
                 file, or only until AUTOCREA is closed.",
            ),
            Self::KeyringSlow => plain(
                "El llavero no responde; quizá espera tu contraseña en otra ventana. \
                 Desbloquéalo y vuelve a intentarlo.",
                "The keyring does not answer; it may be waiting for your password in another \
                 window. Unlock it and try again.",
            ),
            Self::SecretFile => plain(
                "No se puede usar el archivo privado de la sesión. Comprueba el espacio y los \
                 permisos de la carpeta de datos y vuelve a intentarlo.",
                "The private file for the session cannot be used. Check space and permissions of \
                 the data folder and try again.",
            ),
            Self::SecretInMemory => plain(
                "El llavero no quiso guardar la sesión, así que durará hasta cerrar AUTOCREA. \
                 Puedes elegir otro sitio en Ajustes.",
                "The keyring would not keep the session, so it lasts until AUTOCREA is closed. \
                 Another place can be chosen in Settings.",
            ),
            Self::NoBrowser { url } => Pair::new(
                format!("No se pudo abrir el navegador. Abre esta dirección tú mismo: {url}"),
                format!("No browser could be opened. Open this address yourself: {url}"),
            ),
            Self::AddressRefused => plain(
                "AUTOCREA solo abre direcciones seguras (https). Esa no se ha abierto.",
                "AUTOCREA opens only secure addresses (https). That one was not opened.",
            ),
            Self::SignedIn => plain("Has iniciado sesión.", "You are signed in."),
            Self::PlanReady { plan } => Pair::new(
                format!("Tu plan {plan} está activo y los tokens ya están en tu saldo."),
                format!("Your {plan} plan is active and its tokens are in your balance."),
            ),
            Self::CheckoutCancelled => plain(
                "Has vuelto sin pagar. No se ha cobrado nada.",
                "You came back without paying. Nothing was charged.",
            ),
            Self::CheckoutPending => plain(
                "El pago se está confirmando. El saldo se actualizará solo.",
                "The payment is being confirmed. The balance will update by itself.",
            ),
            Self::GenerationGone => plain(
                "Esa generación ya no existe. Vuelve al proyecto.",
                "That generation no longer exists. Go back to the project.",
            ),
            Self::GenerationState => plain(
                "Eso no se puede hacer con esta generación en su estado actual. Mira cómo ha \
                 quedado y vuelve a intentarlo.",
                "That cannot be done with this generation as it stands. Look at how it ended and \
                 try again.",
            ),
            Self::NothingArrived => plain(
                "No llegó ningún archivo que se pueda usar. Reinténtalo para pedirlo de nuevo.",
                "No file arrived that could be used. Retry to ask again.",
            ),
            Self::Interrupted => plain(
                "La generación se cortó. Lo que llegó está guardado y no se ha cobrado nada; \
                 puedes reintentar, continuar o usar lo que llegó.",
                "The generation was cut off. What arrived is kept and nothing was charged; you \
                 can retry, continue, or use what arrived.",
            ),
            Self::NotSent => plain(
                "La petición no llegó a enviarse. No se ha cobrado nada; reinténtalo cuando haya \
                 conexión.",
                "The request was never sent. Nothing was charged; retry when there is a \
                 connection.",
            ),
            Self::LostTrack => plain(
                "Pasó demasiado tiempo sin poder preguntar por esta generación. Lo que llegó está \
                 guardado; el coste exacto aparece en el libro de tokens.",
                "Too much time passed without being able to ask after this generation. What \
                 arrived is kept; its exact cost is in the token ledger.",
            ),
            Self::WaitingForNetwork => plain(
                "Sin conexión: lo recibido está guardado y se seguirá solo cuando vuelva la red.",
                "No connection: what was received is kept, and it goes on by itself when the \
                 network is back.",
            ),
            Self::WaitingForPlace => plain(
                "Tu plan ya tiene en marcha todas las generaciones simultáneas que admite. Esta \
                 empezará sola cuando termine una.",
                "Your plan's generations at once are all running. This one starts by itself when \
                 one of them ends.",
            ),
            Self::QueuedBefore => plain(
                "Quedó en cola al cerrar AUTOCREA. Pulsa Reintentar para enviarla, o Detener para \
                 descartarla.",
                "It was queued when AUTOCREA was closed. Press Retry to send it, or Stop to \
                 discard it.",
            ),
            Self::WaitingForAccount => plain(
                "Se envió con otra cuenta o con la sesión cerrada. Inicia sesión con esa cuenta \
                 para recoger el resultado.",
                "It was sent under another account, or you have signed out. Sign in with that \
                 account to fetch the result.",
            ),
            Self::WaitingForStore => plain(
                "No se puede guardar lo que llega; comprueba el espacio en disco. Se seguirá solo \
                 en cuanto se pueda.",
                "What arrives cannot be saved; check the disk space. It goes on by itself as soon \
                 as it can.",
            ),
            Self::ModelFailed => plain(
                "El modelo falló. No se ha cobrado nada; lo que llegó está guardado y puedes \
                 reintentar.",
                "The model failed. Nothing was charged; what arrived is kept and you can retry.",
            ),
            Self::ModelTimeout => plain(
                "El modelo tardó demasiado en responder. No se ha cobrado nada; reinténtalo en \
                 unos minutos.",
                "The model took too long to answer. Nothing was charged; retry in a few minutes.",
            ),
            Self::ModelEmpty => plain(
                "El modelo no respondió nada. No se ha cobrado nada; reinténtalo o reformula la \
                 petición.",
                "The model said nothing. Nothing was charged; retry, or put the request in other \
                 words.",
            ),
        }
    }
}

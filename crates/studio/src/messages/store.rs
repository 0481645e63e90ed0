//! What is said when the store cannot do its work.

use super::{Pair, Say};
use crate::store::StoreError;

/// A failure of the store, said.
#[derive(Debug)]
pub struct StoreMessage<'a>(pub &'a StoreError);

impl Say for StoreMessage<'_> {
    fn pair(&self) -> Pair {
        match self.0 {
            StoreError::DiskFull => Pair::new(
                "El disco está lleno. No se ha perdido nada de lo guardado; libera espacio y \
                 vuelve a intentarlo.",
                "The disk is full. Nothing that was saved is lost; free some space and try again.",
            ),
            StoreError::ReadOnly { path } => Pair::new(
                format!(
                    "No se puede escribir en «{}». Da permiso de escritura o elige otra carpeta \
                     con AUTOCREA_DATA_DIR; tus datos no se han tocado.",
                    path.display()
                ),
                format!(
                    "“{}” cannot be written. Allow writing, or choose another folder with \
                     AUTOCREA_DATA_DIR; your data has not been touched.",
                    path.display()
                ),
            ),
            StoreError::BecameReadOnly => Pair::new(
                "La base de datos ha pasado a ser de solo lectura. Comprueba los permisos y el \
                 disco y vuelve a intentarlo; lo guardado sigue ahí.",
                "The database has become read-only. Check permissions and the disk and try again; \
                 what was saved is still there.",
            ),
            StoreError::Busy => Pair::new(
                "Otro programa está usando los datos de AUTOCREA. Cierra la otra ventana o espera \
                 un momento y vuelve a intentarlo.",
                "Another program is using AUTOCREA's data. Close the other window or wait a \
                 moment, then try again.",
            ),
            StoreError::Newer { .. } => Pair::new(
                "Estos datos son de una versión más nueva de AUTOCREA y no se han tocado. \
                 Actualiza la aplicación para abrirlos.",
                "This data is from a newer version of AUTOCREA and has not been touched. Update \
                 the app to open it.",
            ),
            StoreError::Damaged | StoreError::BlobDamaged => Pair::new(
                "Los datos guardados están dañados y no se han tocado. En la carpeta «backups» \
                 están las últimas copias.",
                "The stored data is damaged and has not been touched. The latest copies are in \
                 the “backups” folder.",
            ),
            StoreError::BackupUnsound { .. } => Pair::new(
                "La copia de seguridad previa a la actualización no es fiable, así que no se ha \
                 actualizado nada. Comprueba el disco y vuelve a intentarlo.",
                "The copy made before upgrading is not sound, so nothing was upgraded. Check the \
                 disk and try again.",
            ),
            StoreError::Migration(_) => Pair::new(
                "No se pudo actualizar la base de datos; sigue como estaba. Vuelve a instalar la \
                 última versión de AUTOCREA o escribe a soporte.",
                "The database could not be upgraded; it is as it was. Reinstall the latest \
                 AUTOCREA or write to support.",
            ),
            StoreError::File { path, .. } => Pair::new(
                format!(
                    "No se puede usar «{}». Comprueba que existe y que tienes permiso, y vuelve a \
                     intentarlo.",
                    path.display()
                ),
                format!(
                    "“{}” cannot be used. Check that it exists and that you may use it, then try \
                     again.",
                    path.display()
                ),
            ),
            StoreError::Disk(_) => Pair::new(
                "El disco no respondió al leer o guardar. Comprueba que está conectado, que queda \
                 espacio y que tienes permiso, y vuelve a intentarlo; lo ya guardado sigue ahí.",
                "The disk did not answer while reading or saving. Check that it is connected, has \
                 room and allows writing, then try again; what was saved is still there.",
            ),
            StoreError::Value { .. } | StoreError::Unfinished | StoreError::Sql(_) => Pair::new(
                "AUTOCREA no pudo guardar o leer algo por un fallo nuestro. Lo ya guardado sigue \
                 ahí; reinicia la aplicación y vuelve a intentarlo.",
                "AUTOCREA could not save or read something, through a fault of ours. What was \
                 saved is still there; restart the app and try again.",
            ),
        }
    }
}

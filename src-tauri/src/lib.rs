//! The shell: a window, deep links, the preview scheme and the bridge to the page.

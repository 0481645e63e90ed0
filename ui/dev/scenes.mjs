/** Every picture of the page: a world of the fixture and a place in it. `act` is done before looking. */
const MENU = "#/project/0198f3a1-0000-7000-8000-000000000001";
const press = (testid) => async (page) => page.getByTestId(testid).first().click();

export const scenes = [
  { name: "welcome-1", scene: "welcome", hash: "" },
  { name: "welcome-2", scene: "welcome", hash: "", act: press("welcome-next") },
  {
    name: "welcome-3",
    scene: "welcome",
    hash: "",
    act: async (page) => {
      await press("welcome-next")(page);
      await press("welcome-next")(page);
    },
  },
  { name: "dashboard", scene: "signedin", hash: "#/dashboard" },
  { name: "dashboard-list", scene: "signedin", hash: "#/dashboard", act: press("projects-view-list") },
  { name: "dashboard-menu", scene: "signedin", hash: "#/dashboard", act: press("project-menu") },
  { name: "dashboard-empty", scene: "empty", hash: "#/dashboard" },
  { name: "dashboard-offline", scene: "offline", hash: "#/dashboard" },
  { name: "dashboard-past-due", scene: "pastdue", hash: "#/dashboard" },
  { name: "new-project", scene: "signedin", hash: "#/dashboard", act: press("new-project") },
  { name: "palette", scene: "signedin", hash: "#/dashboard", act: press("open-palette") },
  { name: "sign-in", scene: "signedout", hash: "#/dashboard", act: press("rail-sign-in") },
  { name: "sign-in-failed", scene: "signinfailed", hash: "#/dashboard", act: press("rail-sign-in") },
  {
    name: "secret-place",
    scene: "keyring",
    hash: "#/dashboard",
    act: async (page) => {
      await page.evaluate(() => window.fixture.answer("sign_out", {}));
      await page.evaluate(() =>
        window.fixture.tell({ kind: "account", account: window.fixture.world.account }),
      );
      await press("rail-sign-in")(page);
    },
  },
  { name: "project-fresh", scene: "fresh", hash: MENU },
  { name: "project-fresh-signed-out", scene: "fresh-signedout", hash: MENU },
  { name: "project-preview", scene: "signedin", hash: MENU },
  { name: "project-code", scene: "signedin", hash: MENU, act: press("tab-code") },
  {
    name: "project-older",
    scene: "signedin",
    hash: MENU,
    act: async (page) => {
      if (!(await page.getByTestId("versions").count())) await press("versions-toggle")(page);
      await press("version-1")(page);
    },
  },
  { name: "project-console", scene: "broken", hash: MENU, act: press("console-toggle") },
  { name: "project-context", scene: "signedin", hash: MENU, act: press("context-open") },
  { name: "project-role", scene: "signedin", hash: MENU, act: press("role") },
  {
    name: "project-composing",
    scene: "signedin",
    hash: MENU,
    act: async (page) => {
      await page
        .getByTestId("prompt")
        .fill("Pon el precio del menú del día arriba y fotos en los entrantes.");
      await page.getByTestId("ceiling").waitFor();
    },
  },
  {
    name: "project-phone",
    scene: "signedin",
    hash: MENU,
    act: press("preview-width-phone"),
  },
  {
    name: "dashboard-undo",
    scene: "signedin",
    hash: "#/dashboard",
    act: async (page) => {
      await press("project-menu")(page);
      await press("project-menu-trash")(page);
    },
  },
  { name: "project-streaming", scene: "streaming", hash: MENU, act: press("tab-code") },
  { name: "project-waking", scene: "waking", hash: MENU },
  { name: "project-failed", scene: "failed", hash: MENU },
  { name: "project-interrupted", scene: "interrupted", hash: MENU },
  { name: "project-length", scene: "length", hash: MENU },
  { name: "project-no-preview", scene: "nopreview", hash: MENU },
  { name: "project-low-tokens", scene: "lowtokens", hash: MENU },
  { name: "project-offline", scene: "offline", hash: MENU },
  { name: "plans", scene: "signedin", hash: "#/plans" },
  { name: "plans-year", scene: "free", hash: "#/plans", act: press("plans-interval-year") },
  { name: "plans-waiting", scene: "checkout", hash: "#/plans" },
  { name: "plans-none", scene: "noconfig", hash: "#/plans" },
  { name: "account", scene: "signedin", hash: "#/account" },
  { name: "account-signed-out", scene: "signedout", hash: "#/account" },
  { name: "account-expired", scene: "expired", hash: "#/account" },
  { name: "settings", scene: "signedin", hash: "#/settings" },
  { name: "store-problem", scene: "store", hash: "" },
];
